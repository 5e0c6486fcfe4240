/* catalog_read.h -- a catalogue file's JSON made into models.
 *
 * The half of catalog.h that reads; catalog.c keeps what was read. */
#ifndef TG_CATALOG_READ_H
#define TG_CATALOG_READ_H

#include "route/catalog.h"

/* What one file says, not yet part of the catalogue. */
struct tg_catalog_batch {
    struct tg_model *models;       /* owned; what they point to is in the arena */
    size_t           count;
    size_t           skipped;      /* endpoints left out */
};

/* Read `text` (which must live as long as the catalogue). On failure `why`
 * gets its line and *batch is empty. Endpoints do not know their model and
 * their index yet. */
tg_err tg_catalog_read(struct tg_catalog *c, struct tg_str text, const char *name,
                       struct tg_buf *why, struct tg_catalog_batch *batch);

#endif
