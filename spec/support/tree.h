/* tree.h -- an independent reading of JSON for tests: slow, simple, and sharing
 * not a line with what it judges.
 *
 *     struct tree *t = tree_read(text, len);        NULL when it is not JSON
 *     tree_get(tree_get(t, "choices"), "0"), tree_text(...), ...
 *     tree_forget();                                frees every tree there is
 */
#ifndef TG_TREE_H
#define TG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tree {
    char         kind;             /* n t f 0 " [ { */
    char        *text;             /* decoded string, or digits; ends in zero */
    size_t       len;
    char        *name;             /* of a member */
    struct tree *first, *next;
};

struct tree_block {
    struct tree_block *next;
    max_align_t        bytes[];
};

static struct tree_block *tree_blocks;

static inline void *tree_alloc(size_t n)
{
    struct tree_block *b = calloc(1, sizeof *b + n);
    if (!b)
        abort();
    b->next = tree_blocks;
    tree_blocks = b;
    return b->bytes;
}

static inline void tree_forget(void)
{
    while (tree_blocks) {
        struct tree_block *next = tree_blocks->next;
        free(tree_blocks);
        tree_blocks = next;
    }
}

static inline const char *tree_skip(const char *p, const char *end)
{
    while (p < end && strchr(" \t\r\n", *p) && *p)
        p++;
    return p;
}

static inline char *tree_put_utf8(char *to, unsigned long c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

static inline unsigned long tree_hex(const char *p, const char *end)
{
    char digits[5] = { 0 };
    if (end - p < 4)
        return 0xfffd;
    memcpy(digits, p, 4);
    return strtoul(digits, NULL, 16);
}

/* At the opening quote; NULL when the string does not end. */
static inline const char *tree_string(const char *p, const char *end, char **text, size_t *len)
{
    const char *from = ++p;
    char *to;

    while (p < end && *p != '"')
        p += *p == '\\' ? 2 : 1;
    if (p >= end)
        return NULL;
    *text = to = tree_alloc((size_t)(p - from) + 1);
    for (const char *q = from; q < p; q++) {
        if (*q != '\\') {
            *to++ = *q;
            continue;
        }
        static const char names[] = "nrtbf", means[] = "\n\r\t\b\f";
        const char *known = strchr(names, *++q);
        if (*q == 'u') {
            unsigned long c = tree_hex(q + 1, p);
            q += 4;
            if (c >= 0xd800 && c < 0xdc00 && p - q > 6 && q[1] == '\\' && q[2] == 'u') {
                c = 0x10000 + ((c - 0xd800) << 10) + (tree_hex(q + 3, p) - 0xdc00);
                q += 6;
            } else if (c >= 0xd800 && c < 0xe000) {
                c = 0xfffd;
            }
            to = tree_put_utf8(to, c);
        } else {
            *to++ = known && *known ? means[known - names] : *q;
        }
    }
    *len = (size_t)(to - *text);
    return p + 1;
}

static inline const char *tree_value(const char *p, const char *end, struct tree **out, int depth)
{
    struct tree *t = *out = tree_alloc(sizeof *t), **last = &t->first;

    p = tree_skip(p, end);
    if (p >= end || depth > 200)
        return NULL;
    t->kind = *p;
    if (*p == '"')
        return tree_string(p, end, &t->text, &t->len);
    if (*p == '{' || *p == '[') {
        char close = *p == '{' ? '}' : ']';
        bool is_object = *p == '{';
        p = tree_skip(p + 1, end);
        while (p && p < end && *p != close) {
            char *name = NULL;
            size_t len;
            if (is_object) {
                if (*p != '"' || !(p = tree_string(p, end, &name, &len)))
                    return NULL;
                p = tree_skip(p, end);
                if (p >= end || *p++ != ':')
                    return NULL;
            }
            if (!(p = tree_value(p, end, last, depth + 1)))
                return NULL;
            (*last)->name = name;
            last = &(*last)->next;
            p = tree_skip(p, end);
            if (p < end && *p == ',')
                p = tree_skip(p + 1, end);
            else if (p < end && *p != close)
                return NULL;
        }
        return p && p < end ? p + 1 : NULL;
    }
    const char *from = p;
    while (p < end && !strchr(" \t\r\n,]}", *p))
        p++;
    t->len = (size_t)(p - from);
    t->text = tree_alloc(t->len + 1);
    memcpy(t->text, from, t->len);
    if (!strchr("ntf", t->kind))
        t->kind = '0';
    return p > from && (t->kind != '0' || strchr("-0123456789", *from)) ? p : NULL;
}

static inline struct tree *tree_read(const char *text, size_t len)
{
    struct tree *t;
    const char *end = text + len, *p = tree_value(text, end, &t, 0);

    return p && tree_skip(p, end) == end ? t : NULL;
}

/* The member, or the element of that number ("0"); NULL when there is none. */
static inline struct tree *tree_get(const struct tree *t, const char *name)
{
    struct tree *found = NULL;
    long n = 0;

    if (!t || (t->kind != '{' && t->kind != '['))
        return NULL;
    for (struct tree *m = t->first; m; m = m->next, n++) {
        char number[24];
        snprintf(number, sizeof number, "%ld", n);
        if (strcmp(m->name ? m->name : number, name) == 0)
            found = m;
    }
    return found;
}

static inline struct tree *tree_get2(const struct tree *t, const char *a, const char *b)
{
    return tree_get(tree_get(t, a), b);
}

static inline bool tree_is(const struct tree *t, char kind)
{
    return t && t->kind == kind;
}

/* A string's characters; "" for anything else. */
static inline const char *tree_text(const struct tree *t)
{
    return tree_is(t, '"') ? t->text : "";
}

static inline long long tree_int(const struct tree *t, long long otherwise)
{
    return tree_is(t, '0') ? strtoll(t->text, NULL, 10) : otherwise;
}

static inline long tree_count(const struct tree *t)
{
    long n = 0;
    for (const struct tree *m = t ? t->first : NULL; m; m = m->next)
        n++;
    return n;
}

/* Does any string in it hold a space: are there words for people? */
static inline bool tree_has_words(const struct tree *t)
{
    if (tree_is(t, '"'))
        return strchr(t->text, ' ');
    for (const struct tree *m = t ? t->first : NULL; m; m = m->next)
        if (tree_has_words(m))
            return true;
    return false;
}

#endif
