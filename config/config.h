/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of a server: one structure of plain values, filled from defaults < file < environment <
 * command line. What options there are, with their names, defaults, limits and help, stands in one table
 * (options.c); readers, --help, --print-config and the reference in docs are made from it.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "common/error.h"

#include <stdio.h>

enum { CONFIG_BINDS_MAX = 16, CONFIG_WORKERS_MAX = 64, CONFIG_VARIABLES_MAX = 128 };

typedef struct config {
    /* what runs, and where */
    char *app;                        /* path of a .so or .c file */
    unsigned workers;                 /* 0: auto, one for each CPU that the process may use */
    char *worker_class;               /* "green" or its alias "gevent" */
    char *bind[CONFIG_BINDS_MAX + 1]; /* addresses as listener_parse takes them; ends with NULL */
    bool reuse_port;                  /* TCP ports may be shared with other servers */
    char *socket_mode;                /* of unix sockets, octal digits; NULL: by the umask */
    char *socket_user, *socket_group; /* of unix sockets; NULL: who runs the server */
    unsigned backlog;

    /* the processes */
    bool daemon;
    char *pid;                           /* path of the pid file; NULL: none */
    char *control_socket;                /* a path, "off", or NULL: in the service manager's folder */
    char *name;                          /* in the titles of the processes; NULL: APP's base name */
    char *chdir;                         /* folder in which all works; NULL: where it was started */
    char *env[CONFIG_VARIABLES_MAX + 1]; /* "NAME=VALUE", for the workers; ends with NULL */
    char *user, *group;                  /* names or numbers, of the workers; NULL: as started */
    bool drop_master;                    /* the master becomes that user, too */
    char *umask;                         /* octal digits; NULL: as inherited */
    char *cpu_affinity;                  /* "off", "auto", or CPUs: "0, 2, 4-7" */
    char *core_dump;                     /* "off", "on" or a size; NULL: as inherited */
    bool no_new_privileges;

    /* logs */
    hub_level log_level;
    char *error_logfile;    /* a path; "-": standard error */
    char *access_logfile;   /* a path; "-": standard output; NULL: none */
    char *access_logformat; /* access_format.h */
    bool log_json;
    bool log_syslog;
    char *log_syslog_to;       /* "unix:///dev/log", "udp://HOST:PORT" */
    char *log_syslog_prefix;   /* NULL: none */
    char *log_syslog_facility; /* its name */
    bool disable_redirect_access_to_syslog;

    /* supervision; times in seconds */
    double timeout;          /* a worker whose hub has not turned for so long is killed; 0: never */
    double boot_timeout;     /* from fork to READY */
    double graceful_timeout; /* from TERM to the end of a worker */
    unsigned max_requests, max_requests_jitter;             /* a worker is replaced after so many; 0: never */
    size_t max_worker_memory, max_worker_memory_jitter;     /* bytes of its own; 0: without a limit */
    double max_worker_lifetime, max_worker_lifetime_jitter; /* seconds; 0: without a limit */
    double reload_verify; /* a new release is abandoned when a worker of it dies so soon after READY */

    /* connections */
    unsigned worker_connections;     /* a worker stops accepting at this number */
    bool proxy_protocol;             /* connections of these begin with a PROXY header */
    char *proxy_allow_from;          /* "*", "none", or networks: "127.0.0.1, 10.0.0.0/8" */
    char *forwarded_allow_ips;       /* the same: whose word about their clients is believed */
    double keep_alive;               /* an HTTP connection without a request */
    double header_timeout;           /* from a request's first byte to its last header byte */
    double body_timeout;             /* between two pieces of a request's body */
    size_t limit_request_line;       /* bytes; above: 414 */
    unsigned limit_request_fields;   /* number; above: 431 */
    size_t limit_request_field_size; /* bytes of one header line; above: 431; 0: only the whole is limited */
    size_t limit_request_head;       /* bytes of request line and headers together; above: 431 */
    size_t max_body;                 /* bytes of a request's body; above: 413 */
    unsigned static_cache;           /* seconds for which files may be used without asking; 0: none */
    char *http_compress;             /* "off", "on" */
    size_t http_compress_threshold;  /* bytes of a reply that is compressed, at least */

    /* WebSocket */
    /*
     * "*": any; else a list, "same, https://a.example, https://b.example:8443". "same": the origin's host and
     * port are those of the Host header. A client that sends no Origin is no browser and is always let in.
     */
    char *ws_origins;
    size_t max_message;          /* bytes of one whole message; above: close 1009 */
    double ws_ping_interval;     /* a ping to a client that was silent for so long; 0: never */
    double ws_ping_timeout;      /* closed when silent for so long after it */
    double ws_close_timeout;     /* from our close frame to the end of the connection */
    char *ws_deflate;            /* "off", "on", "takeover" */
    size_t ws_deflate_threshold; /* bytes of a message that is deflated, at least */

    /* Engine.IO and Socket.IO */
    char *sio_transports;          /* "polling, websocket" or one of them */
    char *sio_origins;             /* as ws_origins */
    char *sio_cookie;              /* name of a cookie with the session's id; empty: none */
    double sio_ping_interval;      /* seconds from a client's pong to the next ping */
    double sio_ping_timeout;       /* in which the pong must come */
    double sio_upgrade_timeout;    /* in which a WebSocket must take a polling session over */
    size_t sio_max_payload;        /* bytes of a message, or of a POST's body */
    unsigned sio_packets_a_poll;   /* in one answer; 0: no limit */
    size_t sio_compress_threshold; /* bytes of an answer to a poll that is compressed, at least; 0: none is */
    double sio_connect_timeout;    /* in which a connection must join a namespace; 0: it need not */
    unsigned sio_max_attachments;  /* of one packet */
    unsigned sio_max_depth;        /* of arrays and objects within each other */
    unsigned sio_max_namespaces;   /* of one connection */
    unsigned sio_packet_rate;      /* packets a second of one connection; 0: any number */

    /* output queue of one client */
    size_t queue_soft, queue_hard; /* bytes */
    double queue_time;             /* over the soft limit for so long: the route's policy applies */

    /* memory */
    size_t stack_size;      /* bytes of address space of a greenlet's stack */
    unsigned max_greenlets; /* in one worker */
    size_t log_size;        /* bytes of the host log, a power of two */

    /* where the values come from */
    char *file;   /* that -c named; NULL: none */
    char *folder; /* the working directory at the first load; a relative file is meant from there */
    struct config_source *sources; /* of the table's options, in its order; read by this floor only */
} config;

typedef enum config_action {
    CONFIG_RUN,
    CONFIG_HELP,
    CONFIG_VERSION,
    CONFIG_PRINT,
    CONFIG_CHECK,
    CONFIG_REFERENCE,
    CONFIG_SAMPLE_YAML,
    CONFIG_SAMPLE_INI
} config_action;

/*
 * Reads everything: the defaults, what a platform says (PORT, WEB_CONCURRENCY), the file that -c names, the
 * environment (HUBBUB_CMD_ARGS, then HUBBUB_<OPTION>, with - as _), the command line. On HUB_OK the caller
 * owns the strings of *config (config_free) and does what *action says; CONFIG_RUN and CONFIG_CHECK need an
 * APP, the other actions do not. All but CONFIG_RUN, CONFIG_CHECK and CONFIG_PRINT read neither file nor
 * environment and leave every value at its default. Errors: HUB_EINVAL
 * with one line in *error that names the option, file and line, what is wrong, and the nearest known name or
 * the allowed values; HUB_ENOENT (file cannot be read); HUB_ENOMEM. After an error there is nothing to free.
 */
hub_status config_load(config *config, config_action *action, int argc, char *const argv[], error *error);

/*
 * Reads everything again, as at SIGHUP: the same file (a relative path is meant from running->folder,
 * wherever the process works now), the environment and the same arguments, into *fresh, which the caller then
 * owns. An option that HUP cannot change (options.h: changed_by_hup) keeps its running value and place in
 * *fresh; if the new one differs, `report` is called with one line that says so, for the log: "log-size
 * changed (chat.yaml:3): …". Nothing is logged here and *running is only read. Errors: as config_load; *fresh
 * then holds nothing, and the running configuration goes on. `report` may have been called by then.
 */
hub_status config_reload(const config *running, config *fresh, int argc, char *const argv[],
                         void (*report)(void *argument, const char *line), void *argument, error *error);

/* Whether an option, by its name, was given anywhere: its value is then not the default. */
bool config_given(const config *config, const char *name);

/* Every value at its default, as when nothing is given. Errors: HUB_ENOMEM. */
hub_status config_defaults(config *config);
void config_free(config *config);

/*
 * The texts of --help, --print-config and --print-reference. The second is YAML that -c reads, with where
 * each value came from; values that look like secrets are left out of it. The third is docs/configuration.md.
 */
void config_print_help(FILE *out);
void config_print(const config *config, FILE *out);
void config_print_reference(FILE *out);

/* A file to begin with, in which every option is explained and commented out: deploy/hubbub.yaml and .ini. */
void config_print_sample_yaml(FILE *out);
void config_print_sample_ini(FILE *out);

/*
 * How many workers to run, 1 to CONFIG_WORKERS_MAX: the configured number, or for auto one for each CPU that
 * the process may use: its affinity mask, and no more than the quota (rounded up) of its control groups
 * (cpu.max of cgroup v2).
 */
unsigned config_worker_count(const config *config);

#endif
