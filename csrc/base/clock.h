/* clock.h -- what time it is. Only the edges ask (loop, pump, door); whatever
 * decides is told the time as an argument. */
#ifndef TG_CLOCK_H
#define TG_CLOCK_H

#include <stdint.h>

/* Nanoseconds and milliseconds since some fixed moment; never steps back.
 * The same for all processes of one machine. */
uint64_t tg_clock_ns(void);
uint64_t tg_clock_ms(void);

/* Milliseconds since 1970 UTC; may step. */
uint64_t tg_clock_wall_ms(void);

#endif
