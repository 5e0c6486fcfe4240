/* meter.h -- what one attempt took: times, gaps, bytes. Holds nothing of the
 * stream itself. Times are monotonic ms; 0 is "not yet". */
#ifndef TG_METER_H
#define TG_METER_H

#include <stdint.h>

struct tg_meter {
    uint64_t began_ms;             /* the attempt */
    uint64_t connected_ms;         /* the request went out */
    uint64_t head_ms;
    uint64_t first_content_ms, last_content_ms;
    uint64_t bytes;                /* of the body, decoded */
};

void tg_meter_begin(struct tg_meter *m, uint64_t now_ms);
void tg_meter_content(struct tg_meter *m, uint64_t now_ms);

/* From the request going out to the first content; -1 when none came. */
int64_t tg_meter_ttft_ms(const struct tg_meter *m);

/* From the first content to the last. */
int64_t tg_meter_stream_ms(const struct tg_meter *m);

#endif
