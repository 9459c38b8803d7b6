/* SPDX-License-Identifier: Apache-2.0 */
#include "master/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_DIED = 1 };

static bool is_daemon;
static int answer = -1; /* to the command; -1: there is none that waits */

static hub_status no_process(error *failure)
{
    return error_set(failure, HUB_ESYSTEM, "cannot go into the background: %s", strerror(errno));
}

static int hear(int from)
{
    unsigned char code;
    ssize_t got;
    do
        got = read(from, &code, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1)
        return code;
    fputs("hubbub: the server in the background died before it served\n", stderr);
    return EXIT_DIED;
}

/* The process in between only makes the daemon, which is then no leader of a session and gets no terminal. */
static hub_status become_daemon(error *failure)
{
    if (setsid() < 0)
        return no_process(failure);
    pid_t pid = fork();
    if (pid > 0)
        _exit(0);
    if (pid < 0)
        return no_process(failure);
    is_daemon = true;
    return HUB_OK;
}

hub_status daemon_begin(int *exit_code, error *failure)
{
    int ends[2];
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return no_process(failure);
    pid_t pid = fork();
    if (pid < 0) {
        hub_status status = no_process(failure);
        close(ends[0]);
        close(ends[1]);
        return status;
    }
    if (pid == 0) {
        close(ends[0]);
        answer = ends[1];
        hub_status status = become_daemon(failure);
        if (status == HUB_OK)
            return HUB_OK;
        fprintf(stderr, "hubbub: %s\n", failure->text);
        daemon_say(EXIT_DIED);
        _exit(EXIT_DIED);
    }
    close(ends[1]);
    *exit_code = hear(ends[0]);
    close(ends[0]);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return HUB_ECLOSED;
}

void daemon_say(int exit_code)
{
    unsigned char code = (unsigned char)exit_code;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    if (answer < 0)
        return;
    if (exit_code == 0)
        daemon_detach();
    /* The command may have been interrupted; then nobody wants to know. */
    sigaction(SIGPIPE, &ignore, &before);
    ssize_t written;
    do
        written = write(answer, &code, 1);
    while (written < 0 && errno == EINTR);
    sigaction(SIGPIPE, &before, NULL);
    close(answer);
    answer = -1;
}

static bool is_regular(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

void daemon_detach(void)
{
    if (!is_daemon)
        return;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        return;
    fflush(NULL);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fd == STDIN_FILENO || !is_regular(fd))
            dup2(nothing, fd);
    close(nothing);
}
