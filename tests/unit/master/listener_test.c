/* SPDX-License-Identifier: Apache-2.0 */
#include "master/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* "unix:" and the longest path. */
enum { UNIX_TEXT = 5 + sizeof(((struct sockaddr_un *)0)->sun_path) };

static const listener_options plain = {.backlog = 16};

static char folder[] = "/tmp/hubbub-listener-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void write_unix_address(char *address, size_t size, const char *name)
{
    snprintf(address, size, "unix:%s/%s", folder, name);
}

static void assert_parses(const char *text, const char *host, const char *port)
{
    listener_address address;
    error failure = {.status = HUB_OK};
    assert_int_equal(listener_parse(text, &address, &failure), HUB_OK);
    assert_false(address.local);
    assert_string_equal(address.host, host);
    assert_string_equal(address.port, port);
}

static void assert_refused(const char *text, const char *part_of_line)
{
    listener_address address;
    error failure = {.status = HUB_OK};
    assert_int_equal(listener_parse(text, &address, &failure), HUB_EINVAL);
    assert_non_null(strstr(failure.text, part_of_line));
    assert_null(strchr(failure.text, '\n'));
}

static void addresses_are_taken_apart(void **state)
{
    (void)state;
    assert_parses("127.0.0.1:8000", "127.0.0.1", "8000");
    assert_parses("localhost:80", "localhost", "80");
    assert_parses(":0", "", "0");
    assert_parses("[::1]:65535", "::1", "65535");
    assert_parses("[::]:8000", "::", "8000");
}

static void a_unix_address_is_a_path(void **state)
{
    (void)state;
    listener_address address;
    assert_int_equal(listener_parse("unix:/run/chat.sock:1", &address, NULL), HUB_OK);
    assert_true(address.local);
    assert_string_equal(address.path, "/run/chat.sock:1");
}

static void wrong_addresses_are_refused_with_the_wrong_part(void **state)
{
    (void)state;
    assert_refused("", "the port is missing");
    assert_refused("8000", "the port is missing");
    assert_refused("localhost", "the port is missing");
    assert_refused("localhost:", "\"\" is no port");
    assert_refused("localhost:http", "\"http\" is no port");
    assert_refused("localhost:65536", "\"65536\" is no port");
    assert_refused("localhost:-1", "\"-1\" is no port");
    assert_refused("localhost:080000", "is no port");
    assert_refused("::1:8000", "in brackets");
    assert_refused("[::1]", "[ADDRESS]:PORT");
    assert_refused("[::1:8000", "[ADDRESS]:PORT");
    assert_refused("[localhost]:8000", "\"localhost\" is no IPv6 address");
    assert_refused("unix:", "a path must follow");
}

static void a_path_that_is_too_long_is_refused_and_the_longest_taken(void **state)
{
    (void)state;
    char text[256] = "unix:/";
    memset(text + 6, 'a', 107);
    text[6 + 107] = '\0';
    assert_refused(text, "the path has 108 bytes, a unix socket's may have 107");
    text[5 + 107] = '\0';
    listener_address address;
    assert_int_equal(listener_parse(text, &address, NULL), HUB_OK);
}

static void a_host_name_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char text[512];
    memset(text, 'a', 300);
    strcpy(text + 300, ":80");
    assert_refused(text, "longer than 255 bytes");
}

static void an_open_listener_takes_connections_and_has_its_real_port_in_its_name(void **state)
{
    (void)state;
    listener_set set = {.count = 0};
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, NULL), HUB_OK);
    assert_int_equal(set.count, 1);
    assert_int_equal(getsockname(set.items[0].fd, (struct sockaddr *)&address, &size), 0);
    char name[64];
    snprintf(name, sizeof(name), "127.0.0.1:%d", ntohs(address.sin_port));
    assert_string_equal(set.items[0].name, name);
    assert_true(fcntl(set.items[0].fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(set.items[0].fd, F_GETFD) & FD_CLOEXEC);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    close(client);
    listener_close_all(&set);
    assert_int_equal(set.count, 0);
}

static void an_accepted_connection_sends_small_answers_at_once(void **state)
{
    (void)state;
    listener_set set = {.count = 0};
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, NULL), HUB_OK);
    assert_int_equal(getsockname(set.items[0].fd, (struct sockaddr *)&address, &size), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    int accepted = accept(set.items[0].fd, NULL, NULL);
    assert_true(accepted >= 0);
    int no_delay = 0;
    size = sizeof(no_delay);
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    assert_true(no_delay);
    close(accepted);
    close(client);
    listener_close_all(&set);
}

static void a_port_without_a_host_listens_for_ipv4_on_one_port_with_ipv6(void **state)
{
    (void)state;
    listener_set set = {.count = 0};
    assert_int_equal(listener_open(&set, ":0", &plain, NULL), HUB_OK);
    assert_true(set.count == 1 || set.count == 2);
    bool has_ipv4 = false;
    for (size_t i = 0; i < set.count; i++)
        has_ipv4 = has_ipv4 || strncmp(set.items[i].name, "0.0.0.0:", 8) == 0;
    assert_true(has_ipv4);
    if (set.count == 2)
        assert_string_equal(strrchr(set.items[0].name, ':'), strrchr(set.items[1].name, ':'));
    listener_close_all(&set);
}

static void a_name_is_resolved(void **state)
{
    (void)state;
    listener_set set = {.count = 0};
    struct addrinfo *found;
    if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
        skip(); /* a root without /etc/hosts knows no names */
    freeaddrinfo(found);
    assert_int_equal(listener_open(&set, "localhost:0", &plain, NULL), HUB_OK);
    assert_true(set.count >= 1);
    listener_close_all(&set);
}

static void assert_open_fails(const char *text, hub_status status, const char *part_of_line)
{
    listener_set set = {.count = 0};
    error failure = {.status = HUB_OK};
    assert_int_equal(listener_open(&set, text, &plain, &failure), status);
    assert_non_null(strstr(failure.text, part_of_line));
    assert_int_equal(set.count, 0);
}

static void a_port_in_use_is_said(void **state)
{
    (void)state;
    listener_set set = {.count = 0};
    assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, NULL), HUB_OK);
    assert_open_fails(set.items[0].name, HUB_EEXIST, "the port is in use");
    listener_close_all(&set);
}

static void a_failure_leaves_the_sockets_that_were_there(void **state)
{
    (void)state;
    listener_set set = {.count = 0};
    error failure;
    assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, NULL), HUB_OK);
    assert_int_equal(listener_open(&set, set.items[0].name, &plain, &failure), HUB_EEXIST);
    assert_int_equal(set.count, 1);
    assert_true(fcntl(set.items[0].fd, F_GETFD) >= 0);
    listener_close_all(&set);
}

static void an_address_of_another_machine_is_said(void **state)
{
    (void)state;
    assert_open_fails("192.0.2.1:0", HUB_ESYSTEM,
                      "cannot listen at 192.0.2.1:0: this machine has no such address; `ip address` lists");
}

static void a_name_that_does_not_resolve_is_said(void **state)
{
    (void)state;
    assert_open_fails("no-such-host.invalid:80", HUB_EINVAL,
                      "cannot find the address of \"no-such-host.invalid\"");
    assert_open_fails("no-such-host.invalid:80", HUB_EINVAL, "; add the name to /etc/hosts, or write");
}

static void a_port_that_needs_a_privilege_is_said(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        listener_set set = {.count = 0};
        error failure = {.status = HUB_OK};
        if (setgid(65534) < 0 || setuid(65534) < 0)
            if (geteuid() == 0)
                _exit(77);
        if (listener_open(&set, "127.0.0.1:1", &plain, &failure) == HUB_OK)
            _exit(77); /* here, low ports are free for all */
        _exit(strstr(failure.text, "ports below 1024 need root") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

static void more_listeners_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    static listener_set set = {.count = 0};
    error failure = {.status = HUB_OK};
    for (int i = 0; i < LISTENERS_MAX; i++)
        assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, NULL), HUB_OK);
    assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, &failure), HUB_EFULL);
    assert_int_equal(set.count, LISTENERS_MAX);
    listener_close_all(&set);
}

static void a_unix_socket_takes_connections_and_its_path_goes_with_it(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "a.sock");
    listener_set set = {.count = 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_int_equal(listener_open(&set, text, &plain, NULL), HUB_OK);
    assert_string_equal(set.items[0].name, text);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", text + 5);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    close(client);
    listener_close_all(&set);
    assert_int_equal(access(text + 5, F_OK), -1);
}

/* A socket whose process went without removing it. */
static void leave_stale_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd);
    assert_int_equal(access(path, F_OK), 0);
}

static void a_socket_that_was_left_behind_is_replaced(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "stale.sock");
    leave_stale_socket(text + 5);
    listener_set set = {.count = 0};
    assert_int_equal(listener_open(&set, text, &plain, NULL), HUB_OK);
    listener_close_all(&set);
    assert_int_equal(access(text + 5, F_OK), -1);
}

static void a_socket_at_which_somebody_listens_is_left_alone(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "busy.sock");
    listener_set set = {.count = 0};
    assert_int_equal(listener_open(&set, text, &(listener_options){.backlog = 0}, NULL), HUB_OK);

    /* Also when its queue is full, so that connecting does not succeed. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", text + 5);
    int clients[8];
    for (size_t i = 0; i < 8; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(clients[i], (struct sockaddr *)&address, sizeof(address));
    }
    assert_int_equal(errno, EAGAIN);
    assert_open_fails(text, HUB_EEXIST, "another server listens there");
    for (size_t i = 0; i < 8; i++)
        close(clients[i]);
    assert_int_equal(access(text + 5, F_OK), 0);
    listener_close_all(&set);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "notes.txt");
    int fd = open(text + 5, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_open_fails(text, HUB_EEXIST, "a file that is no socket is in the way");
    assert_int_equal(unlink(text + 5), 0);
}

static void a_missing_folder_is_said(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "none/a.sock");
    assert_open_fails(text, HUB_ESYSTEM, "its folder does not exist");
}

static void a_path_that_a_successor_took_over_is_not_removed(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "heir.sock");
    listener_set old = {.count = 0}, heir = {.count = 0};
    assert_int_equal(listener_open(&old, text, &plain, NULL), HUB_OK);
    assert_int_equal(unlink(text + 5), 0);
    assert_int_equal(listener_open(&heir, text, &plain, NULL), HUB_OK);
    listener_close_all(&old);
    assert_int_equal(access(text + 5, F_OK), 0);
    listener_close_all(&heir);
    assert_int_equal(access(text + 5, F_OK), -1);
}

static void a_child_does_not_remove_its_parents_path(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "parent.sock");
    listener_set set = {.count = 0};
    assert_int_equal(listener_open(&set, text, &plain, NULL), HUB_OK);
    pid_t child = fork();
    if (child == 0) {
        listener_close_all(&set);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(access(text + 5, F_OK), 0);
    listener_close_all(&set);
}

static void a_lack_of_descriptors_is_said(void **state)
{
    (void)state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "full.sock");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    listener_set set = {.count = 0};
    error tcp = {.status = HUB_OK}, local = {.status = HUB_OK};
    hub_status tcp_status = listener_open(&set, "127.0.0.1:0", &plain, &tcp);
    hub_status local_status = listener_open(&set, text, &plain, &local);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(tcp_status, HUB_ESYSTEM);
    assert_int_equal(local_status, HUB_ESYSTEM);
    assert_non_null(strstr(tcp.text, strerror(EMFILE)));
    assert_non_null(strstr(local.text, strerror(EMFILE)));
}

/* ---- addresses that come and go ---- */

static char *const *list(const char *first, const char *second)
{
    static char *items[3];
    items[0] = (char *)(uintptr_t)first;
    items[1] = (char *)(uintptr_t)second;
    return items;
}

static void a_change_that_counts_closes_what_left_and_keeps_the_rest(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    write_unix_address(text, sizeof(text), "leaves.sock");
    static listener_set set;
    assert_int_equal(listener_change(&set, list(text, "127.0.0.1:0"), &plain, NULL), HUB_OK);
    listener_settle(&set, true);
    int kept = set.items[1].fd;
    assert_int_equal(listener_change(&set, list("127.0.0.1:0", "[::1]:0"), &plain, NULL), HUB_OK);
    assert_int_equal(set.count, 3);
    assert_true(set.items[0].leaving && set.items[2].added);
    assert_int_equal(access(text + 5, F_OK), 0);
    listener_settle(&set, true);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.items[0].fd, kept);
    assert_string_equal(set.items[1].bind, "[::1]:0");
    assert_int_equal(access(text + 5, F_OK), -1);
    listener_close_all(&set);
}

static void a_change_that_is_taken_back_closes_what_came(void **state)
{
    (void)state;
    static listener_set set;
    assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, NULL), HUB_OK);
    int kept = set.items[0].fd;
    assert_int_equal(listener_change(&set, list("[::1]:0", NULL), &plain, NULL), HUB_OK);
    int came = set.items[1].fd;
    listener_settle(&set, false);
    assert_int_equal(set.count, 1);
    assert_int_equal(set.items[0].fd, kept);
    assert_false(set.items[0].leaving);
    assert_int_equal(fcntl(came, F_GETFD), -1);
    listener_settle(&set, true); /* nothing is left of the change */
    assert_int_equal(set.count, 1);
    listener_close_all(&set);
}

static void a_change_that_fails_changes_nothing(void **state)
{
    (void)state;
    static listener_set set;
    error failure = {.status = HUB_OK};
    assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, NULL), HUB_OK);
    assert_int_equal(listener_change(&set, list("[::1]:0", set.items[0].name), &plain, &failure), HUB_EEXIST);
    assert_int_equal(set.count, 1);
    assert_false(set.items[0].leaving);
    listener_close_all(&set);
}

/* ---- inherited ones, modes, queues ---- */

static void an_inherited_descriptor_stays_open(void **state)
{
    (void)state;
    char text[32];
    static listener_set owner, heir;
    assert_int_equal(listener_open(&owner, "127.0.0.1:0", &plain, NULL), HUB_OK);
    snprintf(text, sizeof(text), "fd://%d", owner.items[0].fd);
    assert_int_equal(listener_open(&heir, text, &plain, NULL), HUB_OK);
    assert_string_equal(heir.items[0].name, owner.items[0].name);
    error failure = {.status = HUB_OK};
    assert_int_equal(listener_open(&heir, text, &plain, &failure), HUB_EEXIST);
    listener_close_all(&heir);
    assert_true(fcntl(owner.items[0].fd, F_GETFD) >= 0);
    listener_close_all(&owner);
}

static void a_descriptor_that_does_not_listen_is_refused(void **state)
{
    (void)state;
    char text[32];
    static listener_set set;
    error failure = {.status = HUB_OK};
    int silent = socket(AF_INET, SOCK_STREAM, 0), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    snprintf(text, sizeof(text), "fd://%d", silent);
    assert_int_equal(listener_open(&set, text, &plain, &failure), HUB_EINVAL);
    assert_non_null(strstr(failure.text, "does not listen"));
    snprintf(text, sizeof(text), "fd://%d", datagrams);
    assert_int_equal(listener_open(&set, text, &plain, &failure), HUB_EINVAL);
    assert_non_null(strstr(failure.text, "is no stream socket"));
    assert_int_equal(set.count, 0);
    close(silent);
    close(datagrams);
}

static void descriptors_and_units_are_addresses(void **state)
{
    (void)state;
    listener_address address;
    assert_int_equal(listener_parse("fd://7", &address, NULL), HUB_OK);
    assert_true(address.inherited && address.fd == 7);
    assert_int_equal(listener_parse("systemd:web", &address, NULL), HUB_OK);
    assert_true(address.inherited && address.fd == -1);
    assert_string_equal(address.host, "web");
    assert_refused("fd://", "the number of an open descriptor");
    assert_refused("fd://7x", "the number of an open descriptor");
}

static void a_unix_socket_gets_its_mode_whatever_the_mask(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    struct stat made;
    static listener_set set;
    write_unix_address(text, sizeof(text), "mode.sock");
    mode_t before = umask(0177);
    assert_int_equal(listener_open(&set, text, &(listener_options){.backlog = 16, .mode = "666"}, NULL),
                     HUB_OK);
    umask(before);
    assert_int_equal(stat(text + 5, &made), 0);
    assert_int_equal(made.st_mode & 0777, 0666);
    listener_close_all(&set);
}

static void an_owner_that_there_is_not_leaves_no_socket(void **state)
{
    (void)state;
    char text[UNIX_TEXT];
    static listener_set set;
    error failure = {.status = HUB_OK};
    write_unix_address(text, sizeof(text), "owner.sock");
    const listener_options options = {.backlog = 16, .group = "no-such-group"};
    assert_int_equal(listener_open(&set, text, &options, &failure), HUB_EINVAL);
    assert_non_null(strstr(failure.text, "socket-group no-such-group"));
    assert_int_equal(access(text + 5, F_OK), -1);
    assert_int_equal(set.count, 0);
}

static void a_port_is_shared_by_two_who_both_say_so(void **state)
{
    (void)state;
    static listener_set first, second;
    const listener_options shared = {.backlog = 16, .reuse_port = true};
    error failure = {.status = HUB_OK};
    assert_int_equal(listener_open(&first, "127.0.0.1:0", &shared, NULL), HUB_OK);
    assert_int_equal(listener_open(&second, first.items[0].name, &plain, &failure), HUB_EEXIST);
    assert_int_equal(listener_open(&second, first.items[0].name, &shared, NULL), HUB_OK);
    listener_close_all(&first);
    listener_close_all(&second);
}

static void a_queue_that_is_shut_keeps_who_waits_and_takes_nobody_new(void **state)
{
    (void)state;
    static listener_set set;
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    assert_int_equal(listener_open(&set, "127.0.0.1:0", &plain, NULL), HUB_OK);
    assert_int_equal(getsockname(set.items[0].fd, (struct sockaddr *)&address, &size), 0);
    int early = socket(AF_INET, SOCK_STREAM, 0), late = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(early, (struct sockaddr *)&address, size), 0);
    listener_shut(&set);
    assert_int_equal(connect(late, (struct sockaddr *)&address, size), -1);
    assert_int_equal(errno, EINPROGRESS);
    int served = accept(set.items[0].fd, NULL, NULL);
    assert_true(served >= 0);
    char byte = 0;
    assert_int_equal(write(early, "x", 1), 1); /* what is accepted is not filtered */
    struct pollfd wait = {.fd = served, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    assert_int_equal(read(served, &byte, 1), 1);
    assert_int_equal(accept(set.items[0].fd, NULL, NULL), -1);
    close(served);
    close(early);
    close(late);
    listener_close_all(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(a_unix_address_is_a_path),
        cmocka_unit_test(wrong_addresses_are_refused_with_the_wrong_part),
        cmocka_unit_test(a_path_that_is_too_long_is_refused_and_the_longest_taken),
        cmocka_unit_test(a_host_name_that_is_too_long_is_refused),
        cmocka_unit_test(an_open_listener_takes_connections_and_has_its_real_port_in_its_name),
        cmocka_unit_test(an_accepted_connection_sends_small_answers_at_once),
        cmocka_unit_test(a_port_without_a_host_listens_for_ipv4_on_one_port_with_ipv6),
        cmocka_unit_test(a_name_is_resolved),
        cmocka_unit_test(a_port_in_use_is_said),
        cmocka_unit_test(a_failure_leaves_the_sockets_that_were_there),
        cmocka_unit_test(an_address_of_another_machine_is_said),
        cmocka_unit_test(a_name_that_does_not_resolve_is_said),
        cmocka_unit_test(a_port_that_needs_a_privilege_is_said),
        cmocka_unit_test(more_listeners_than_there_is_room_for_are_refused),
        cmocka_unit_test(a_unix_socket_takes_connections_and_its_path_goes_with_it),
        cmocka_unit_test(a_socket_that_was_left_behind_is_replaced),
        cmocka_unit_test(a_socket_at_which_somebody_listens_is_left_alone),
        cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
        cmocka_unit_test(a_missing_folder_is_said),
        cmocka_unit_test(a_path_that_a_successor_took_over_is_not_removed),
        cmocka_unit_test(a_child_does_not_remove_its_parents_path),
        cmocka_unit_test(a_lack_of_descriptors_is_said),
        cmocka_unit_test(a_change_that_counts_closes_what_left_and_keeps_the_rest),
        cmocka_unit_test(a_change_that_is_taken_back_closes_what_came),
        cmocka_unit_test(a_change_that_fails_changes_nothing),
        cmocka_unit_test(an_inherited_descriptor_stays_open),
        cmocka_unit_test(a_descriptor_that_does_not_listen_is_refused),
        cmocka_unit_test(descriptors_and_units_are_addresses),
        cmocka_unit_test(a_unix_socket_gets_its_mode_whatever_the_mask),
        cmocka_unit_test(an_owner_that_there_is_not_leaves_no_socket),
        cmocka_unit_test(a_port_is_shared_by_two_who_both_say_so),
        cmocka_unit_test(a_queue_that_is_shut_keeps_who_waits_and_takes_nobody_new),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
