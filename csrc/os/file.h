/* file.h -- whole small files. */
#ifndef TG_FILE_H
#define TG_FILE_H

#include "base/buf.h"

/* Append the file's bytes. TG_ENOTFOUND, TG_ESYSTEM, or TG_ETOOBIG when it
 * has more than `max_bytes`. */
tg_err tg_file_read(const char *path, size_t max_bytes, struct tg_buf *out);

#endif
