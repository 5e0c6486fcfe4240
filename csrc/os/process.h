/* process.h -- other processes of this machine, as /proc tells of them.
 *
 * A process may end between two calls: TG_ENOTFOUND. What the kernel does not
 * let us see, because it is somebody else's, is TG_ESYSTEM. */
#ifndef TG_PROCESS_H
#define TG_PROCESS_H

#include "base/buf.h"

/* Append the numbers of all processes, each an int. */
tg_err tg_process_list(struct tg_buf *out);

/* Our own number, and the user we act as. */
int      tg_process_self(void);
unsigned tg_process_user(void);

/* One number for this process that no other has had or will have until the machine
 * starts anew; 0 when /proc does not tell. And has the process ended that had it?
 * One that nobody has waited for yet has. */
uint64_t tg_process_identity(void);
bool     tg_process_is_gone(uint64_t identity);

/* The user it acts as. */
tg_err tg_process_owner(int pid, unsigned *user);

/* Append the path of the program that it runs: a file that was replaced since
 * is no longer there, and its name ends in " (deleted)". */
tg_err tg_process_exe(int pid, struct tg_buf *out);

/* Append the directory it is in. */
tg_err tg_process_cwd(int pid, struct tg_buf *out);

/* Append its command line, or its environment when it was started: words that
 * end in a zero byte. */
tg_err tg_process_words(int pid, struct tg_buf *out);
tg_err tg_process_environment(int pid, struct tg_buf *out);

/* Does its first thread have this signal blocked? Then it does not end the process,
 * which takes it as a message (signals.h). */
tg_err tg_process_blocks(int pid, int number, bool *out);

#endif
