/* settings.h -- a configuration, read by the Lua half into a snapshot.
 *
 * The Lua half runs in a state of its own, which ends with the reading: a snapshot
 * needs none. */
#ifndef TG_ABI_SETTINGS_H
#define TG_ABI_SETTINGS_H

#include "flow/config.h"

/* What to read: the text, called `path`; without one the file. */
struct tga_settings {
    struct tg_str path, text;
    bool          has_text;
};

/* The snapshot, whose one reference is the caller's; NULL with lines in `why`. Reads
 * files. */
struct tg_config *tga_settings_read(const struct tga_settings *s, struct tg_buf *why);

#endif
