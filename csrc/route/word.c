#include "route/word.h"

int tg_word_find(const struct tg_word *sorted, size_t count, struct tg_str word)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = tg_str_cmp(word, sorted[middle].text);
        if (order == 0)
            return sorted[middle].means;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's table, one row at a time and only the diagonal band that can
 * still end within the limit. */
unsigned tg_word_edits(struct tg_str a, struct tg_str b)
{
    enum { FAR = TG_WORD_NEAR_EDITS + 1 };
    unsigned char row[TG_WORD_NEAR_BYTES + 2];
    size_t apart = a.len > b.len ? a.len - b.len : b.len - a.len;

    if (apart >= FAR || a.len > TG_WORD_NEAR_BYTES || b.len > TG_WORD_NEAR_BYTES)
        return FAR;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j < FAR ? (unsigned char)j : FAR;
    row[b.len + 1] = FAR;

    for (size_t i = 1; i <= a.len; i++) {
        size_t from = i > FAR ? i - FAR : 1, to = i + FAR < b.len ? i + FAR : b.len;
        unsigned diagonal = row[from - 1], nearest = FAR;
        row[from - 1] = from == 1 && i < FAR ? (unsigned char)i : FAR;
        for (size_t j = from; j <= to; j++) {
            unsigned above = row[j];
            unsigned changed = diagonal + (lower(a.at[i - 1]) != lower(b.at[j - 1]));
            unsigned edits = least(changed, above + 1, row[j - 1] + 1u);
            row[j] = (unsigned char)(edits < FAR ? edits : FAR);
            nearest = row[j] < nearest ? row[j] : nearest;
            diagonal = above;
        }
        if (nearest == FAR && row[from - 1] == FAR)
            return FAR;
    }
    return row[b.len];
}

bool tg_word_is_near(struct tg_str known, struct tg_str word, unsigned *edits)
{
    *edits = tg_word_edits(known, word);
    return *edits <= TG_WORD_NEAR_EDITS && 2 * *edits < word.len;
}

struct tg_str tg_word_near(const struct tg_word *list, size_t count, struct tg_str word)
{
    struct tg_str best = { 0 };
    unsigned edits, least_edits = TG_WORD_NEAR_EDITS + 1;

    for (size_t i = 0; i < count; i++)
        if (tg_word_is_near(list[i].text, word, &edits) && edits < least_edits) {
            best = list[i].text;
            least_edits = edits;
        }
    return best;
}
