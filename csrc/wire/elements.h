/* elements.h -- cut one JSON array, as it arrives, into its elements.
 *
 *     [{"a": 1},\r\n{"a": 2}\r\n]      gives  {"a": 1}  and  {"a": 2}
 *
 * Each is given as soon as it is whole. A text that is one object instead of
 * an array is given as one element: errors come so. Where an element ends is
 * found by its quotes and brackets alone; whether it is JSON is for
 * tg_json_check() to say. Input may be cut anywhere, and no byte is looked at
 * again; the usage is that of wire/sse.h. */
#ifndef TG_ELEMENTS_H
#define TG_ELEMENTS_H

#include <stdint.h>
#include "wire/carry.h"

/* Held by its owner; fields are private. Holds no memory between elements. */
struct tg_elements {
    size_t          limit;
    struct tg_carry carry;
    tg_err          err;           /* it failed; nothing more comes */
    uint16_t        depth;         /* of arrays and objects in the element */
    uint8_t         place;
    bool            in_string;
    bool            is_escaped;    /* the string's next character is */
    bool            is_word;       /* the element is a number, true, false or null */
    bool            is_alone;      /* it is in no array */
};

/* A reader that refuses elements of more than `limit` bytes. The white space
 * around them is free. */
void tg_elements_init(struct tg_elements *r, size_t limit);
void tg_elements_done(struct tg_elements *r);

/* Lend it bytes; they must stay in place until tg_elements_next() said
 * TG_AGAIN. Not before it said so may more be fed. An error is given again. */
tg_err tg_elements_feed(struct tg_elements *r, struct tg_str bytes);

/* Take the next element. TG_AGAIN when none is whole; TG_ETOOBIG once one
 * passes the limit, TG_EDEPTH once it is nested deeper than TG_JSON_DEPTH_MAX,
 * TG_EINVAL for anything else that is in the way: behind the array, or between
 * elements. TG_ENOMEM. After an error nothing more comes. The view holds until
 * the next call; an element that lies whole in the bytes fed is not copied. */
tg_err tg_elements_next(struct tg_elements *r, struct tg_str *element);

/* Did the text begin and not end? After TG_AGAIN. */
bool tg_elements_is_cut(const struct tg_elements *r);

#endif
