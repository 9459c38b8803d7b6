/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of values that are texts. Each function says what is wrong with a text, in words, or returns
 * NULL. */
#ifndef CONFIG_CHECKS_H
#define CONFIG_CHECKS_H

/* One address of the option bind: HOST:PORT, :PORT, [V6]:PORT, unix:PATH, fd://N, systemd:NAME. Does not
 * resolve names. */
const char *check_bind(const char *text);

/* The option ws-origins: "*", or a list of "same" and origins (RFC 6454, section 6.1) with ", " in between.
 */
const char *check_origins(const char *text);

/* The option worker-class: what hubbub is, under its own name and gevent's; others with the reason. */
const char *check_worker_class(const char *text);

/* One item of the option env: NAME=VALUE. */
const char *check_variable(const char *text);

/* The options user and group: a name or a number; whether there is such an account is not looked up. */
const char *check_account(const char *text);

/* The option umask: octal digits, 0 to 777. */
const char *check_umask(const char *text);

/* The option socket-mode: octal digits, 0 to 777. */
const char *check_socket_mode(const char *text);

/* The option cpu-affinity: "off", "auto", or a list of CPUs and ranges of them: "0, 2, 4-7". */
const char *check_cpu_affinity(const char *text);

/* The option core-dump: "off", "on" or a size. */
const char *check_core_dump(const char *text);

/* The options of log-syslog. */
const char *check_syslog_address(const char *text);
const char *check_syslog_prefix(const char *text);
const char *check_syslog_facility(const char *text);

/* The options proxy-allow-from and forwarded-allow-ips: "*", "none", or addresses and networks. */
const char *check_networks(const char *text);

/* The option http-compress. */
const char *check_compress(const char *text);

/* The option ws-deflate. */
const char *check_deflate(const char *text);

/* "polling, websocket", or one of them; each once. */
const char *check_transports(const char *text);

/* A name as HTTP has them, of a cookie say (RFC 9110, section 5.6.2); empty for none. */
const char *check_token(const char *text);

#endif
