#include "wire/tool_args.h"

#include <string.h>

enum state {
    EMPTY,                         /* nothing yet */
    VALUE,                         /* a value must follow */
    FIRST_VALUE,                   /* a value or ']' */
    FIRST_KEY,                     /* a name or '}' */
    KEY,                           /* a name */
    COLON,
    NEXT,                          /* ',' or the closing bracket */
    IN_STRING, IN_ESCAPE, IN_HEX,
    IN_WORD,
    MINUS, ZERO, INTEGER, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, EXPONENT_DIGITS,
    WHOLE,                         /* the outermost value is closed */
    BROKEN
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_object(const struct tg_tool_args *g)
{
    unsigned top = g->depth - 1u;
    return g->is_object[top / 64] >> top % 64 & 1;
}

static enum state open_container(struct tg_tool_args *g, bool is_object)
{
    if (g->depth == TG_TOOL_ARGS_DEPTH_MAX)
        return BROKEN;
    uint64_t bit = UINT64_C(1) << g->depth % 64, *word = &g->is_object[g->depth / 64];
    *word = is_object ? *word | bit : *word & ~bit;
    g->depth++;
    return is_object ? FIRST_KEY : FIRST_VALUE;
}

static enum state behind_value(const struct tg_tool_args *g)
{
    return g->depth ? NEXT : WHOLE;
}

static enum state close_container(struct tg_tool_args *g)
{
    g->depth--;
    return behind_value(g);
}

static enum state begin_string(struct tg_tool_args *g, enum state after)
{
    g->after_string = (uint8_t)after;
    return IN_STRING;
}

static enum state begin_word(struct tg_tool_args *g, const char *rest)
{
    g->word = rest;
    return IN_WORD;
}

static enum state begin_value(struct tg_tool_args *g, char c)
{
    switch (c) {
    case '{': return open_container(g, true);
    case '[': return open_container(g, false);
    case '"': return begin_string(g, behind_value(g));
    case 't': return begin_word(g, "rue");
    case 'f': return begin_word(g, "alse");
    case 'n': return begin_word(g, "ull");
    case '-': return MINUS;
    case '0': return ZERO;
    default:  return is_digit(c) ? INTEGER : BROKEN;
    }
}

static enum state between(struct tg_tool_args *g, char c)
{
    switch ((enum state)g->state) {
    case EMPTY:
    case VALUE:       return begin_value(g, c);
    case FIRST_VALUE: return c == ']' ? close_container(g) : begin_value(g, c);
    case FIRST_KEY:
        if (c == '}')
            return close_container(g);
        /* fall through */
    case KEY:         return c == '"' ? begin_string(g, COLON) : BROKEN;
    case COLON:       return c == ':' ? VALUE : BROKEN;
    case NEXT:
        if (c == ',')
            return in_object(g) ? KEY : VALUE;
        return c == (in_object(g) ? '}' : ']') ? close_container(g) : BROKEN;
    default:          return BROKEN;
    }
}

static enum state in_string(struct tg_tool_args *g, char c)
{
    switch ((enum state)g->state) {
    case IN_ESCAPE:
        g->digits = 4;
        return c == 'u' ? IN_HEX : c && strchr("\"\\/bfnrt", c) ? IN_STRING : BROKEN;
    case IN_HEX:
        if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'f'))
            return BROKEN;
        return --g->digits ? IN_HEX : IN_STRING;
    default:
        if (c == '"')
            return (enum state)g->after_string;
        return c == '\\' ? IN_ESCAPE : (unsigned char)c < 0x20 ? BROKEN : IN_STRING;
    }
}

/* Inside a number. BROKEN stands for what cannot follow; whether the number
 * could end before it is for the caller to see. */
static enum state in_number(enum state state, char c)
{
    bool is_e = c == 'e' || c == 'E';

    switch (state) {
    case MINUS:    return c == '0' ? ZERO : is_digit(c) ? INTEGER : BROKEN;
    case ZERO:     return c == '.' ? POINT : is_e ? EXPONENT : BROKEN;
    case INTEGER:  return is_digit(c) ? INTEGER : c == '.' ? POINT : is_e ? EXPONENT : BROKEN;
    case POINT:    return is_digit(c) ? FRACTION : BROKEN;
    case FRACTION: return is_digit(c) ? FRACTION : is_e ? EXPONENT : BROKEN;
    case EXPONENT:
        if (c == '+' || c == '-')
            return EXPONENT_SIGN;
        /* fall through */
    default:       return is_digit(c) ? EXPONENT_DIGITS : BROKEN;
    }
}

static bool may_end(enum state number)
{
    return number == ZERO || number == INTEGER || number == FRACTION || number == EXPONENT_DIGITS;
}

static void step(struct tg_tool_args *g, char c)
{
    enum state state = (enum state)g->state;

    if (state >= IN_STRING && state <= IN_HEX) {
        g->state = (uint8_t)in_string(g, c);
        return;
    }
    if (state == IN_WORD) {
        bool goes_on = c == *g->word;
        g->word++;
        g->state = (uint8_t)(!goes_on ? BROKEN : *g->word ? IN_WORD : behind_value(g));
        return;
    }
    if (state >= MINUS && state <= EXPONENT_DIGITS) {
        enum state next = in_number(state, c);
        if (next != BROKEN || !may_end(state)) {
            g->state = (uint8_t)next;
            return;
        }
        g->state = (uint8_t)behind_value(g);
    }
    if (!is_space(c))
        g->state = (uint8_t)between(g, c);
}

static char unescaped(char c)
{
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'b': return '\b';
    case 'f': return '\f';
    default:  return c;
    }
}

static int hex(char c)
{
    return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* What stands behind "\u". Only ASCII has a meaning in JSON; the rest can
 * stand in strings alone, where one letter is as good as another. */
static char character(const char *four)
{
    unsigned code = 0;

    for (int i = 0; i < 4; i++)
        code = code << 4 | ((unsigned)hex(four[i]) & 15);
    return code < 0x80 ? (char)code : (char)0xc3;
}

void tg_tool_args_feed(struct tg_tool_args *g, struct tg_str escaped)
{
    const char *at = escaped.at, *end = at + escaped.len;

    while (at < end) {
        char c = *at++;
        if (c == '\\' && at < end) {
            c = *at++;
            if (c != 'u') {
                c = unescaped(c);
            } else if (end - at >= 4) {
                c = character(at);
                at += 4;
            }
        }
        step(g, c);
    }
}

bool tg_tool_args_is_empty(const struct tg_tool_args *g)
{
    return g->state == EMPTY;
}

bool tg_tool_args_is_whole(const struct tg_tool_args *g)
{
    return g->state == WHOLE || (!g->depth && may_end((enum state)g->state));
}
