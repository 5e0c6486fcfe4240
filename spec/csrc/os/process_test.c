#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/process.h"

/* A child that waits to be killed; with SIGHUP blocked, if it is to be. */
static pid_t start_child(bool blocks)
{
    int ready[2];
    char byte;

    CHECK_INT(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        sigprocmask(blocks ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
        close(ready[1]);
        for (;;)
            pause();
    }
    close(ready[1]);
    CHECK_INT(read(ready[0], &byte, 1), 0);
    close(ready[0]);
    return child;
}

static void end_child(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

TEST("the list has this process and its child, and not one that has ended")
{
    struct tg_buf b = { 0 };
    pid_t child = start_child(false), gone = start_child(false);
    int seen_self = 0, seen_child = 0, seen_gone = 0;

    end_child(gone);
    CHECK_INT(tg_process_list(&b), TG_OK);
    const int *pids = (const int *)b.at;
    for (size_t i = 0; i < b.len / sizeof *pids; i++) {
        seen_self += pids[i] == tg_process_self();
        seen_child += pids[i] == child;
        seen_gone += pids[i] == gone;
    }
    CHECK_INT(seen_self, 1);
    CHECK_INT(seen_child, 1);
    CHECK_INT(seen_gone, 0);
    end_child(child);
    tg_buf_done(&b);
}

TEST("a process has a program, a directory and an owner")
{
    struct tg_buf b = { 0 };
    char cwd[4096];
    unsigned owner = 1 + tg_process_user();
    pid_t child = start_child(false);

    CHECK_INT(tg_process_exe(child, &b), TG_OK);
    CHECK(tg_str_ends(tg_buf_view(&b), "os.process.test"));
    tg_buf_reset(&b);
    CHECK_INT(tg_process_cwd(child, &b), TG_OK);
    CHECK_STR(tg_buf_view(&b), getcwd(cwd, sizeof cwd));
    CHECK_INT(tg_process_owner(child, &owner), TG_OK);
    CHECK_INT(owner, tg_process_user());
    end_child(child);
    tg_buf_done(&b);
}

TEST("a process has the words and the environment it was started with")
{
    static char zero[] = "a sleeper", seconds[] = "60", x[] = "X=1", y[] = "Y=";
    char *argv[] = { zero, seconds, NULL }, *env[] = { x, y, NULL };
    struct tg_buf b = { 0 };
    pid_t child = fork();

    if (child == 0) {
        execve("/bin/sleep", argv, env);
        _exit(127);
    }
    /* Until the other program is there. */
    for (int i = 0; i < 1000 && !tg_str_eq(tg_buf_view(&b), TG_STR("a sleeper\0" "60\0")); i++) {
        usleep(5000);
        tg_buf_reset(&b);
        CHECK_INT(tg_process_words(child, &b), TG_OK);
    }
    CHECK(tg_str_eq(tg_buf_view(&b), TG_STR("a sleeper\0" "60\0")));
    tg_buf_reset(&b);
    CHECK_INT(tg_process_environment(child, &b), TG_OK);
    CHECK(tg_str_eq(tg_buf_view(&b), TG_STR("X=1\0" "Y=\0")));
    end_child(child);
    tg_buf_done(&b);
}

TEST("whether a signal is blocked can be seen")
{
    pid_t with = start_child(true), without = start_child(false);
    bool is = false;

    CHECK_INT(tg_process_blocks(with, SIGHUP, &is), TG_OK);
    CHECK(is);
    CHECK_INT(tg_process_blocks(with, SIGTERM, &is), TG_OK);
    CHECK(!is);
    CHECK_INT(tg_process_blocks(without, SIGHUP, &is), TG_OK);
    CHECK(!is);
    end_child(with);
    end_child(without);
}

TEST("of a process that has ended nothing is known")
{
    struct tg_buf b = { 0 };
    pid_t gone = start_child(false);
    unsigned owner = 0;
    bool is = false;

    end_child(gone);
    CHECK_INT(tg_process_exe(gone, &b), TG_ENOTFOUND);
    CHECK_INT(tg_process_cwd(gone, &b), TG_ENOTFOUND);
    CHECK_INT(tg_process_words(gone, &b), TG_ENOTFOUND);
    CHECK_INT(tg_process_environment(gone, &b), TG_ENOTFOUND);
    CHECK_INT(tg_process_owner(gone, &owner), TG_ENOTFOUND);
    CHECK_INT(tg_process_blocks(gone, SIGHUP, &is), TG_ENOTFOUND);
    CHECK_INT(b.len, 0);
    tg_buf_done(&b);
}

static tg_err ask_everything(void)
{
    struct tg_buf b = { 0 };
    unsigned owner;
    tg_err err = tg_process_list(&b);

    if (!err)
        err = tg_process_exe(tg_process_self(), &b);
    if (!err)
        err = tg_process_words(tg_process_self(), &b);
    if (!err)
        err = tg_process_owner(tg_process_self(), &owner);
    tg_buf_done(&b);
    return err;
}

TEST("every refused allocation is told")
{
    CHECK_EVERY_ALLOCATION(ask_everything());
}

TEST("an identity is one process's, and tells when it has ended")
{
    int ready[2];
    uint64_t mine = tg_process_identity(), childs = 0;

    CHECK(mine != 0);
    CHECK(mine == tg_process_identity());
    CHECK(!tg_process_is_gone(mine));
    CHECK(tg_process_is_gone(mine + (1ull << 22)));      /* the same number, begun later */

    CHECK_INT(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        childs = tg_process_identity();
        _exit(write(ready[1], &childs, sizeof childs) != sizeof childs || pause());
    }
    CHECK_INT(read(ready[0], &childs, sizeof childs), sizeof childs);
    CHECK(childs != mine);
    CHECK(!tg_process_is_gone(childs));
    kill(child, SIGKILL);
    /* Nobody has waited for it, and it is gone. */
    for (int i = 0; i < 1000 && !tg_process_is_gone(childs); i++)
        usleep(1000);
    CHECK(tg_process_is_gone(childs));
    waitpid(child, NULL, 0);
    CHECK(tg_process_is_gone(childs));
    close(ready[0]);
    close(ready[1]);
}

TEST_MAIN
