/* SPDX-License-Identifier: Apache-2.0 */
#include "master/control.h"

#include "common/clock.h"
#include "master/ctl/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct ev_loop *loop;
static control *server;
static char path[64];
static error failure;

static void run_echo(void *arg, control_client *client, const json_t *request)
{
    (void)arg;
    control_answer(client, json_pack("{s:b,s:O}", "ok", 1, "word", json_object_get(request, "word")));
}

static void run_later(void *arg, control_client *client, const json_t *request)
{
    (void)arg;
    control_wait(client, (unsigned)json_integer_value(json_object_get(request, "number")));
}

static void run_never(void *arg, control_client *client, const json_t *request)
{
    (void)arg, (void)request;
    control_refuse(client, "not today: %d", 7);
}

static const control_command commands[] = {
    {"echo", run_echo}, {"later", run_later}, {"never", run_never}, {NULL, NULL}};

static int open_server(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/hubbub-control-test-%d", (int)getpid());
    loop = ev_loop_new(EVFLAG_AUTO);
    return !loop || control_open(&server, loop, path, commands, NULL, &failure) != HUB_OK;
}

static int close_server(void **state)
{
    (void)state;
    control_close(server);
    server = NULL;
    ev_loop_destroy(loop);
    unlink(path);
    return 0;
}

static int open_client(void)
{
    int fd;
    assert_int_equal(link_open(&fd, path, &failure), HUB_OK);
    return fd;
}

static void turn(void)
{
    for (int i = 0; i < 5; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

static void send_text(int fd, const char *text)
{
    uint32_t length = htonl((uint32_t)strlen(text));
    assert_int_equal(send(fd, &length, sizeof length, MSG_NOSIGNAL), sizeof length);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    turn();
}

static void assert_answer(int fd, const char *expected)
{
    json_t *message;
    assert_int_equal(link_receive(fd, &message, &failure), HUB_OK);
    char *text = json_dumps(message, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, expected);
    free(text);
    json_decref(message);
}

static bool has_ended(int fd)
{
    char byte;
    turn();
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void a_request_has_its_answer(void **state)
{
    (void)state;
    int fd = open_client();
    send_text(fd, "{\"command\":\"echo\",\"word\":\"hello\"}");
    assert_answer(fd, "{\"ok\":true,\"word\":\"hello\"}");
    send_text(fd, "{\"command\":\"echo\",\"word\":2}");
    assert_answer(fd, "{\"ok\":true,\"word\":2}");
    close(fd);
    turn();
}

static void a_request_may_come_byte_by_byte(void **state)
{
    (void)state;
    int fd = open_client();
    static const char request[] = "{\"command\":\"echo\",\"word\":\"hi\"}";
    char bytes[64] = {0, 0, 0, (char)strlen(request)};
    memcpy(bytes + 4, request, strlen(request));
    for (size_t i = 0; i < 4 + strlen(request); i++) {
        assert_int_equal(send(fd, bytes + i, 1, MSG_NOSIGNAL), 1);
        turn();
    }
    assert_answer(fd, "{\"ok\":true,\"word\":\"hi\"}");
    close(fd);
}

static void what_is_wrong_is_refused_in_a_line(void **state)
{
    (void)state;
    int fd = open_client();
    send_text(fd, "{\"command\":\"never\"}");
    assert_answer(fd, "{\"error\":\"not today: 7\",\"ok\":false}");
    send_text(fd, "{\"command\":\"what\"}");
    assert_answer(fd, "{\"error\":\"there is no command what\",\"ok\":false}");
    send_text(fd, "{\"word\":1}");
    assert_answer(fd, "{\"error\":\"the request has no command\",\"ok\":false}");
    send_text(fd, "[");
    json_t *message;
    assert_int_equal(link_receive(fd, &message, &failure), HUB_OK);
    assert_true(json_is_false(json_object_get(message, "ok")));
    json_decref(message);
    close(fd);
}

static void who_waits_is_told_and_then_answered(void **state)
{
    (void)state;
    int waiting = open_client(), other = open_client();
    send_text(waiting, "{\"command\":\"later\"}");
    send_text(other, "{\"command\":\"echo\",\"word\":1}");
    assert_answer(other, "{\"ok\":true,\"word\":1}");
    control_tell_waiting(server, json_pack("{s:s}", "event", "half"));
    assert_answer(waiting, "{\"event\":\"half\"}");
    control_answer_waiting(server, 1, json_pack("{s:b}", "ok", 1));
    assert_answer(waiting, "{\"ok\":true}");
    control_answer_waiting(server, 1, json_pack("{s:b}", "ok", 0)); /* nobody waits any more */
    char byte;
    assert_int_equal(recv(other, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(recv(waiting, &byte, 1, MSG_DONTWAIT), -1);
    close(waiting);
    close(other);
}

static void what_is_no_message_ends_the_client(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\0\0\0\0", "GET / HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < 2; i++) {
        int fd = open_client();
        assert_true(send(fd, wrong[i], i ? strlen(wrong[i]) : 4, MSG_NOSIGNAL) > 0);
        assert_true(has_ended(fd));
        close(fd);
    }
}

static void a_client_that_goes_while_it_waits_is_forgotten(void **state)
{
    (void)state;
    int fd = open_client();
    send_text(fd, "{\"command\":\"later\"}");
    close(fd);
    turn();
    control_answer_waiting(server, 1, json_pack("{s:b}", "ok", 1));
}

static void each_waits_for_the_end_of_its_own(void **state)
{
    (void)state;
    int first = open_client(), second = open_client();
    send_text(first, "{\"command\":\"later\",\"number\":4}");
    send_text(second, "{\"command\":\"later\",\"number\":5}");
    control_answer_waiting(server, 4, json_pack("{s:i}", "ok", 4));
    control_answer_waiting(server, 5, json_pack("{s:i}", "ok", 5));
    assert_answer(first, "{\"ok\":4}");
    assert_answer(second, "{\"ok\":5}");
    close(first);
    close(second);
}

static void requests_that_come_together_are_answered_in_turn(void **state)
{
    (void)state;
    int fd = open_client();
    static const char later[] = "{\"command\":\"later\"}", echo[] = "{\"command\":\"echo\",\"word\":1}";
    char bytes[128] = {0, 0, 0, sizeof later - 1};
    size_t length = 4;
    memcpy(bytes + length, later, sizeof later - 1);
    length += sizeof later - 1;
    for (int i = 0; i < 2; i++) {
        bytes[length + 3] = sizeof echo - 1;
        memcpy(bytes + length + 4, echo, sizeof echo - 1);
        length += 4 + sizeof echo - 1;
    }
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
    turn();
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    control_answer_waiting(server, 1, json_pack("{s:b}", "ok", 1));
    turn();
    assert_answer(fd, "{\"ok\":true}");
    assert_answer(fd, "{\"ok\":true,\"word\":1}");
    assert_answer(fd, "{\"ok\":true,\"word\":1}");
    close(fd);
}

static void who_is_silent_for_the_longest_makes_room(void **state)
{
    (void)state;
    int fds[CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        fds[i] = open_client();
        turn();
    }
    ev_sleep(0.002); /* so that the time of what follows is another one */
    send_text(fds[0], "{\"command\":\"echo\",\"word\":1}");
    assert_answer(fds[0], "{\"ok\":true,\"word\":1}");
    int further = open_client();
    turn();
    send_text(further, "{\"command\":\"echo\",\"word\":2}");
    assert_answer(further, "{\"ok\":true,\"word\":2}");
    assert_true(has_ended(fds[1]));
    send_text(fds[0], "{\"command\":\"echo\",\"word\":3}");
    assert_answer(fds[0], "{\"ok\":true,\"word\":3}");
    close(further);
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        close(fds[i]);
}

static void who_waits_for_an_answer_makes_no_room(void **state)
{
    (void)state;
    int fds[CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        fds[i] = open_client();
        send_text(fds[i], "{\"command\":\"later\"}");
    }
    int further = open_client();
    assert_true(has_ended(further));
    control_answer_waiting(server, 1, json_pack("{s:b}", "ok", 1));
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        assert_answer(fds[i], "{\"ok\":true}");
        close(fds[i]);
    }
    close(further);
}

static void who_does_not_read_is_left(void **state)
{
    (void)state;
    static char request[60 * 1024];
    int fd = open_client();
    memset(request, 'x', sizeof request);
    static const char head[] = "{\"command\":\"echo\",\"word\":\"";
    memcpy(request, head, sizeof head - 1);
    memcpy(request + sizeof request - 3, "\"}", 3);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    uint32_t length = htonl(sizeof request - 1);
    bool refused = false;
    for (int i = 0; i < 1000 && !refused;
         i++) { /* a request may be cut off here: that ends the client, too */
        refused = send(fd, &length, sizeof length, MSG_NOSIGNAL) < 0 && errno == EPIPE;
        refused = (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0 && errno == EPIPE) || refused;
        turn();
    }
    assert_true(refused);
    close(fd);
}

static void the_socket_moves_and_is_removed_where_it_is(void **state)
{
    (void)state;
    char moved[80];
    snprintf(moved, sizeof moved, "%s.moved", path);
    assert_int_equal(control_move(server, moved, &failure), HUB_OK);
    assert_int_equal(access(path, F_OK), -1);
    int fd;
    assert_int_equal(link_open(&fd, moved, &failure), HUB_OK);
    turn();
    send_text(fd, "{\"command\":\"echo\",\"word\":1}");
    assert_answer(fd, "{\"ok\":true,\"word\":1}");
    close(fd);
    control_close(server);
    server = NULL;
    assert_int_equal(access(moved, F_OK), -1);
}

static void the_socket_is_for_its_owner_alone(void **state)
{
    (void)state;
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static void a_socket_that_is_used_is_left_alone_and_one_that_was_left_is_replaced(void **state)
{
    (void)state;
    control *second = NULL;
    assert_int_equal(control_open(&second, loop, path, commands, NULL, &failure), HUB_EEXIST);
    assert_non_null(strstr(failure.text, path));

    char left[80];
    snprintf(left, sizeof left, "%s.left", path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, left);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    assert_int_equal(control_open(&second, loop, left, commands, NULL, &failure), HUB_OK);
    control_close(second);
    assert_int_equal(access(left, F_OK), -1);

    fd = open(left, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(control_open(&second, loop, left, commands, NULL, &failure), HUB_EEXIST);
    unlink(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_has_its_answer, open_server, close_server),
        cmocka_unit_test_setup_teardown(a_request_may_come_byte_by_byte, open_server, close_server),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_refused_in_a_line, open_server, close_server),
        cmocka_unit_test_setup_teardown(who_waits_is_told_and_then_answered, open_server, close_server),
        cmocka_unit_test_setup_teardown(what_is_no_message_ends_the_client, open_server, close_server),
        cmocka_unit_test_setup_teardown(a_client_that_goes_while_it_waits_is_forgotten, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(each_waits_for_the_end_of_its_own, open_server, close_server),
        cmocka_unit_test_setup_teardown(requests_that_come_together_are_answered_in_turn, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(who_is_silent_for_the_longest_makes_room, open_server, close_server),
        cmocka_unit_test_setup_teardown(who_waits_for_an_answer_makes_no_room, open_server, close_server),
        cmocka_unit_test_setup_teardown(who_does_not_read_is_left, open_server, close_server),
        cmocka_unit_test_setup_teardown(the_socket_moves_and_is_removed_where_it_is, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(the_socket_is_for_its_owner_alone, open_server, close_server),
        cmocka_unit_test_setup_teardown(a_socket_that_is_used_is_left_alone_and_one_that_was_left_is_replaced,
                                        open_server, close_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
