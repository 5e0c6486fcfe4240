#include "route/kv.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/hash.h"

/*  region:  | layout | seed | bucket | bucket | ...
 *  bucket:  | head | record 0 | ... | record 7 |
 *  head:    | version: 32 | claimed: 1 | present: 7 | the record of each way and the spare: 8 x 3 |
 *
 * Seven records are the bucket's entries and the eighth is spare. Whoever
 * changes something claims the bucket, writes the spare record, and publishes
 * it in the place of an entry, by compare-and-swap of the head both times.
 * Both raise the version.
 *
 * A claim is no lock: whoever finds one that does not go away takes it over,
 * by claiming again. What makes that safe is that
 *   - the first claimant's head is no more, so it cannot publish;
 *   - it cannot spoil the spare record either: a word of a record is 32 bits
 *     of it and the version of the claim that wrote them, and is written by
 *     compare-and-swap over older versions only.
 * So a killed process leaves at most a claim that the next one takes over, and
 * one that was put to sleep in the middle finds on waking that it has to start
 * again. A reader claims nothing: it reads, and when the head is still the same
 * it has read what was there. */
enum {
    VERSION = 1,                       /* raise it with every change of the layout */
    ALIGNMENT = 64,
    WAYS = TG_KV_WAYS,
    RECORDS = WAYS + 1,
    PATIENCE = 500,                    /* looks at a claim before it is taken over */
    TRIES = 10000
};

/* The words of a record. */
enum {
    AT_LENGTHS,                        /* key: 8, text: 16, is text: 1 */
    AT_HASH,
    AT_END = AT_HASH + 2,              /* 64 bits each from here on */
    AT_WRITTEN = AT_END + 2,
    AT_NUMBER = AT_WRITTEN + 2,
    AT_KEY = AT_NUMBER + 2,
    KEY_WORDS = TG_KV_KEY_MAX / 4,
    TEXT_WORDS = TG_KV_TEXT_MAX / 4,
    RECORD_WORDS = AT_KEY + KEY_WORDS + TEXT_WORDS
};

struct bucket {
    _Alignas(ALIGNMENT) _Atomic uint64_t head;
    _Atomic uint64_t records[RECORDS][RECORD_WORDS];
};

struct tg_kv {
    _Alignas(ALIGNMENT) _Atomic uint64_t layout;
    _Atomic uint64_t seed;
    struct bucket buckets[];
};

_Static_assert(sizeof(struct bucket) == 6784, "the layout has changed: raise VERSION");

/* ---- the region ---- */

static size_t buckets_for(size_t entries)
{
    return (entries + WAYS - 1) / WAYS;
}

static uint64_t layout_of(size_t entries)
{
    const uint64_t magic = 'T' << 16 | 'G' << 8 | 'K';

    return magic << 40 | (uint64_t)VERSION << 32 | buckets_for(entries);
}

size_t tg_kv_bytes(size_t entries)
{
    return sizeof(struct tg_kv) + buckets_for(entries) * sizeof(struct bucket);
}

tg_err tg_kv_attach(void *memory, size_t bytes, size_t entries, uint64_t seed,
                    struct tg_kv **out)
{
    struct tg_kv *kv = memory;
    uint64_t was = 0, unseeded = 0;

    if (entries == 0 || entries > TG_KV_ENTRIES_MAX || bytes < tg_kv_bytes(entries) || !seed)
        return TG_EINVAL;
    if (!memory || (uintptr_t)memory % ALIGNMENT)
        return TG_EINVAL;
    if (!atomic_compare_exchange_strong(&kv->layout, &was, layout_of(entries)) &&
        was != layout_of(entries))
        return TG_EINVAL;
    atomic_compare_exchange_strong(&kv->seed, &unseeded, seed);
    *out = kv;
    return TG_OK;
}

static uint64_t hash_of(struct tg_kv *kv, struct tg_str key)
{
    uint64_t seed = atomic_load_explicit(&kv->seed, memory_order_relaxed);

    return tg_hash((struct tg_hash_key){ seed, ~seed }, key);
}

static struct bucket *bucket_of(struct tg_kv *kv, uint64_t hash)
{
    uint64_t layout = atomic_load_explicit(&kv->layout, memory_order_relaxed);

    return &kv->buckets[(hash >> 32) % (uint32_t)layout];
}

/* ---- the head ---- */

/* The number of way i's record, 7 for the spare's. Kept as the difference
 * from i, so that zeroed memory is a bucket in order. */
static unsigned record_of(uint64_t head, unsigned i)
{
    return (head >> 3 * i & 7) ^ i;
}

static bool is_present(uint64_t head, unsigned way)
{
    return head >> (24 + way) & 1;
}

static bool is_claimed(uint64_t head)
{
    return head >> 31 & 1;
}

static uint32_t version_of(uint64_t head)
{
    return (uint32_t)(head >> 32);
}

static uint64_t raised(uint64_t head, bool claimed)
{
    uint64_t low = (uint32_t)head & ~(1u << 31);

    return (uint64_t)(version_of(head) + 1) << 32 | (uint64_t)claimed << 31 | low;
}

static uint64_t with_record(uint64_t head, unsigned i, unsigned record)
{
    return (head & ~((uint64_t)7 << 3 * i)) | (uint64_t)(record ^ i) << 3 * i;
}

/* The spare record becomes the way's, and the way's the spare one. */
static uint64_t with_spare_at(uint64_t head, unsigned way)
{
    unsigned spare = record_of(head, WAYS), was = record_of(head, way);

    head = with_record(with_record(head, way, spare), WAYS, was);
    return head | (uint64_t)1 << (24 + way);
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Claim the bucket: the head as it is from now on, until somebody else's claim. */
static uint64_t claim(struct bucket *b)
{
    uint64_t head = atomic_load(&b->head), seen;

    for (;;) {
        seen = head;
        for (int i = 0; is_claimed(head) && head == seen && i < PATIENCE; i++) {
            relax();
            head = atomic_load(&b->head);
        }
        if (is_claimed(head) && head != seen)
            continue;
        if (atomic_compare_exchange_strong(&b->head, &head, raised(head, true)))
            return raised(head, true);
    }
}

static bool publish(struct bucket *b, uint64_t claimed, uint64_t next)
{
    return atomic_compare_exchange_strong(&b->head, &claimed, raised(next, false));
}

/* ---- records ---- */

struct record {
    uint64_t hash, end_ms, written_ms;
    struct tg_str key;
    struct tg_kv_value value;
};

/* Does a word of that version give way to a claim of this one? */
static bool is_older(uint32_t version, uint32_t than)
{
    return (int32_t)(version - than) < 0;
}

static bool put_word(_Atomic uint64_t *word, uint32_t data, uint32_t version)
{
    uint64_t was = atomic_load(word);

    do {
        /* A word that never was written is older than any. */
        if (was && !is_older((uint32_t)(was >> 32), version))
            return false;
    } while (!atomic_compare_exchange_weak(word, &was, (uint64_t)version << 32 | data));
    return true;
}

static bool put_u64(_Atomic uint64_t *word, uint64_t data, uint32_t version)
{
    return put_word(word, (uint32_t)data, version) &&
           put_word(word + 1, (uint32_t)(data >> 32), version);
}

static bool put_bytes(_Atomic uint64_t *word, const char *at, size_t len, uint32_t version)
{
    for (size_t i = 0; i < len; i += 4) {
        uint32_t data = 0;
        memcpy(&data, at + i, len - i < 4 ? len - i : 4);
        if (!put_word(word++, data, version))
            return false;
    }
    return true;
}

/* False when the claim was taken over meanwhile. */
static bool put_record(_Atomic uint64_t *words, const struct record *r, uint32_t version)
{
    const struct tg_kv_value *v = &r->value;
    size_t len = v->is_text ? v->len : 0;
    uint64_t number;

    memcpy(&number, &v->number, sizeof number);
    return put_word(&words[AT_LENGTHS],
                    (uint32_t)(r->key.len | len << 8 | (size_t)v->is_text << 24), version) &&
           put_u64(&words[AT_HASH], r->hash, version) &&
           put_u64(&words[AT_END], r->end_ms, version) &&
           put_u64(&words[AT_WRITTEN], r->written_ms, version) &&
           put_u64(&words[AT_NUMBER], v->is_text ? 0 : number, version) &&
           put_bytes(&words[AT_KEY], r->key.at, r->key.len, version) &&
           put_bytes(&words[AT_KEY + KEY_WORDS], v->text, len, version);
}

/* Versions wrap, and a word that nobody wrote for 2^31 of them would look newer
 * than all to come. So each claim brings the version of one word up to date,
 * and all of a bucket have had their turn after some 1,700. */
static void refresh(struct bucket *b, uint32_t version)
{
    uint32_t at = (version >> 1) % (RECORDS * RECORD_WORDS);
    _Atomic uint64_t *word = &b->records[at / RECORD_WORDS][at % RECORD_WORDS];
    uint64_t was = atomic_load(word);

    if (was && is_older((uint32_t)(was >> 32), version))
        atomic_compare_exchange_strong(word, &was, (uint64_t)version << 32 | (uint32_t)was);
}

static uint32_t get_word(_Atomic uint64_t *word)
{
    return (uint32_t)atomic_load_explicit(word, memory_order_acquire);
}

static uint64_t get_u64(_Atomic uint64_t *word)
{
    return get_word(word) | (uint64_t)get_word(word + 1) << 32;
}

static void get_bytes(_Atomic uint64_t *word, char *at, size_t len)
{
    for (size_t i = 0; i < len; i += 4) {
        uint32_t data = get_word(word++);
        memcpy(at + i, &data, len - i < 4 ? len - i : 4);
    }
}

/* Is it the record of that key? Like everything that is read, to be believed
 * only when the head has not changed since. */
static bool is_for(_Atomic uint64_t *words, uint64_t hash, struct tg_str key)
{
    char is[TG_KV_KEY_MAX];

    if (get_u64(&words[AT_HASH]) != hash || (get_word(&words[AT_LENGTHS]) & 0xff) != key.len)
        return false;
    get_bytes(&words[AT_KEY], is, key.len);
    return memcmp(is, key.at, key.len) == 0;
}

static void get_value(_Atomic uint64_t *words, struct tg_kv_value *v)
{
    uint32_t lengths = get_word(&words[AT_LENGTHS]);
    uint64_t number = get_u64(&words[AT_NUMBER]);

    v->is_text = lengths >> 24 & 1;
    v->len = lengths >> 8 & 0xffff;
    if (v->len > TG_KV_TEXT_MAX)       /* half of one record and half of another */
        v->len = 0;
    memcpy(&v->number, &number, sizeof number);
    get_bytes(&words[AT_KEY + KEY_WORDS], v->text, v->len);
}

static bool is_over(_Atomic uint64_t *words, uint64_t now_ms)
{
    return get_u64(&words[AT_END]) <= now_ms;
}

/* ---- entries ---- */

enum { NONE = -1 };

static int find(struct bucket *b, uint64_t head, uint64_t hash, struct tg_str key)
{
    for (unsigned way = 0; way < WAYS; way++)
        if (is_present(head, way) && is_for(b->records[record_of(head, way)], hash, key))
            return (int)way;
    return NONE;
}

/* The way for a new entry: a free one, one that is over, the oldest. */
static int victim(struct bucket *b, uint64_t head, uint64_t now_ms)
{
    uint64_t oldest_ms = UINT64_MAX;
    int oldest = 0;

    for (unsigned way = 0; way < WAYS; way++)
        if (!is_present(head, way))
            return (int)way;
    for (unsigned way = 0; way < WAYS; way++) {
        _Atomic uint64_t *words = b->records[record_of(head, way)];
        uint64_t written_ms = get_u64(&words[AT_WRITTEN]);
        if (is_over(words, now_ms))
            return (int)way;
        if (written_ms < oldest_ms) {
            oldest_ms = written_ms;
            oldest = (int)way;
        }
    }
    return oldest;
}

static tg_err check_key(struct tg_str key)
{
    if (key.len > TG_KV_KEY_MAX)
        return TG_ETOOBIG;
    return key.len ? TG_OK : TG_EINVAL;
}

static uint64_t end_of(uint64_t ttl_ms, uint64_t now_ms)
{
    return ttl_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + ttl_ms;
}

tg_err tg_kv_get(struct tg_kv *kv, struct tg_str key, uint64_t now_ms, struct tg_kv_value *out)
{
    tg_err err = check_key(key);

    if (err)
        return err;
    uint64_t hash = hash_of(kv, key);
    struct bucket *b = bucket_of(kv, hash);
    for (int tries = 0; tries < TRIES; tries++) {
        uint64_t head = atomic_load(&b->head);
        struct tg_kv_value value;
        int way = find(b, head, hash, key);
        bool is = way != NONE && !is_over(b->records[record_of(head, (unsigned)way)], now_ms);
        if (is)
            get_value(b->records[record_of(head, (unsigned)way)], &value);
        if (atomic_load(&b->head) != head)
            continue;
        if (!is)
            return TG_ENOTFOUND;
        *out = value;
        return TG_OK;
    }
    return TG_AGAIN;
}

/* What a change makes of the entry as it is (NULL: none, or it is over). An
 * error ends the change, and the entry stays as it is. */
typedef tg_err change_fn(void *how, const struct tg_kv_value *is, struct tg_kv_value *next);

/* Change an entry, or make one. With `keeps_end` the end of one that is there
 * stays. */
static tg_err change(struct tg_kv *kv, struct record *r, bool keeps_end, uint64_t now_ms,
                     change_fn *make, void *how)
{
    struct bucket *b = bucket_of(kv, r->hash);
    uint64_t end_ms = r->end_ms;

    for (int tries = 0; tries < TRIES; tries++) {
        struct tg_kv_value was;
        uint64_t head = claim(b);
        int way = find(b, head, r->hash, r->key);
        _Atomic uint64_t *words = way == NONE ? NULL : b->records[record_of(head, (unsigned)way)];
        bool is = words && !is_over(words, now_ms);

        if (is)
            get_value(words, &was);
        r->end_ms = is && keeps_end ? get_u64(&words[AT_END]) : end_ms;
        tg_err err = make(how, is ? &was : NULL, &r->value);
        if (err && publish(b, head, head))
            return err;
        if (err)
            continue;
        if (way == NONE)
            way = victim(b, head, now_ms);
        if (!put_record(b->records[record_of(head, WAYS)], r, version_of(head)))
            continue;
        refresh(b, version_of(head));
        if (publish(b, head, with_spare_at(head, (unsigned)way)))
            return TG_OK;
    }
    return TG_AGAIN;
}

static struct record record_for(struct tg_kv *kv, struct tg_str key, uint64_t ttl_ms,
                                uint64_t now_ms)
{
    return (struct record){ .hash = hash_of(kv, key), .end_ms = end_of(ttl_ms, now_ms),
                            .written_ms = now_ms, .key = key };
}

static tg_err keep(void *how, const struct tg_kv_value *is, struct tg_kv_value *next)
{
    (void)how, (void)is, (void)next;
    return TG_OK;
}

tg_err tg_kv_set(struct tg_kv *kv, struct tg_str key, double number, uint64_t ttl_ms,
                 uint64_t now_ms)
{
    tg_err err = isfinite(number) ? check_key(key) : TG_EINVAL;

    if (err)
        return err;
    struct record r = record_for(kv, key, ttl_ms, now_ms);
    r.value.number = number;
    return change(kv, &r, false, now_ms, keep, NULL);
}

tg_err tg_kv_set_text(struct tg_kv *kv, struct tg_str key, struct tg_str text, uint64_t ttl_ms,
                      uint64_t now_ms)
{
    tg_err err = text.len <= TG_KV_TEXT_MAX ? check_key(key) : TG_ETOOBIG;

    if (err)
        return err;
    struct record r = record_for(kv, key, ttl_ms, now_ms);
    r.value.is_text = true;
    r.value.len = text.len;
    if (text.len)
        memcpy(r.value.text, text.at, text.len);
    return change(kv, &r, false, now_ms, keep, NULL);
}

static tg_err add(void *how, const struct tg_kv_value *is, struct tg_kv_value *next)
{
    if (is && is->is_text)
        return TG_EINVAL;
    next->number = *(double *)how + (is ? is->number : 0);
    return isfinite(next->number) ? TG_OK : TG_EINVAL;
}

tg_err tg_kv_add(struct tg_kv *kv, struct tg_str key, double n, uint64_t ttl_ms, uint64_t now_ms,
                 double *sum)
{
    tg_err err = check_key(key);

    if (err)
        return err;
    struct record r = record_for(kv, key, ttl_ms, now_ms);
    err = change(kv, &r, true, now_ms, add, &n);
    if (!err)
        *sum = r.value.number;
    return err;
}

tg_err tg_kv_delete(struct tg_kv *kv, struct tg_str key, uint64_t now_ms)
{
    tg_err err = check_key(key);

    if (err)
        return err;
    uint64_t hash = hash_of(kv, key);
    struct bucket *b = bucket_of(kv, hash);
    for (int tries = 0; tries < TRIES; tries++) {
        uint64_t head = claim(b);
        int way = find(b, head, hash, key);
        bool is = way != NONE && !is_over(b->records[record_of(head, (unsigned)way)], now_ms);
        uint64_t next = way == NONE ? head : head & ~((uint64_t)1 << (24 + way));
        if (publish(b, head, next))
            return is ? TG_OK : TG_ENOTFOUND;
    }
    return TG_AGAIN;
}
