/* SPDX-License-Identifier: Apache-2.0 */
#include "config/options.h"
#include "common/network.h"
#include "config/access_format.h"
#include "config/checks.h"

#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define DAY 86400.0

enum { ORIGINS_MAX = 64, CPUS_LISTED_MAX = 1024 };

static const char group_server[] = "What runs, and where";
static const char group_process[] = "The processes";
static const char group_log[] = "Logs";
static const char group_supervision[] = "Supervision of workers";
static const char group_http[] = "Connections and HTTP";
static const char group_websocket[] = "WebSocket";
static const char group_sio[] = "Socket.IO and Engine.IO";
static const char group_queue[] = "Output queue of one client";
static const char group_memory[] = "Memory";

const option options[] = {
    {
        .group = group_server,
        .name = "app",
        .kind = OPTION_STRING,
        .offset = offsetof(config, app),
        .changed_by_hup = true,
        .example = "chat.c",
        .value_name = "FILE",
        .form = "the path of a shared object or a C file",
        .help =
            "The application: a shared object (chat.so), or a C file (chat.c) that is compiled on the spot. "
            "On the command line it is the one argument that is no option. A relative path is meant from "
            "the working directory, or from chdir.",
    },
    {
        .group = group_server,
        .name = "workers",
        .flag = 'w',
        .kind = OPTION_WORKERS,
        .offset = offsetof(config, workers),
        .initial = "auto",
        .platform = "WEB_CONCURRENCY",
        .minimum = 1,
        .maximum = CONFIG_WORKERS_MAX,
        .changed_by_hup = true,
        .value_name = "N|auto",
        .help = "Number of worker processes. auto: one for each CPU that the process may use.",
    },
    {
        .group = group_server,
        .name = "worker-class",
        .flag = 'k',
        .kind = OPTION_STRING,
        .offset = offsetof(config, worker_class),
        .initial = "green",
        .changed_by_hup = true,
        .value_name = "CLASS",
        .form = "green or gevent",
        .check = check_worker_class,
        .help = "For command lines of gunicorn: green and gevent say what every worker is here anyway, a hub "
                "that "
                "runs handlers as greenlets. Other classes are refused with the reason.",
    },
    {
        .group = group_server,
        .name = "bind",
        .flag = 'b',
        .kind = OPTION_LIST,
        .offset = offsetof(config, bind),
        .initial = "127.0.0.1:8000",
        .platform = "PORT",
        .maximum = CONFIG_BINDS_MAX,
        .value_name = "ADDRESS",
        .changed_by_hup = true,
        .form = "HOST:PORT, :PORT, [V6]:PORT, unix:PATH, fd://N or systemd:NAME",
        .check = check_bind,
        .help =
            "Where to listen: HOST:PORT, :PORT (every address), [V6]:PORT, unix:PATH, fd://N (a listening "
            "socket that the server is started with) or systemd:NAME (those of a socket unit with this "
            "FileDescriptorName; systemd: alone takes all, and so does a server that a socket unit starts "
            "and that is given no address). May be given several times, or as a list with commas. Port 0 "
            "takes a free one. HUP binds new addresses before anything else changes, and closes those "
            "that are gone when the new release has proved itself; the others are not touched. An "
            "address that overlaps one that is still in use (:8000 for 127.0.0.1:8000) needs a new start.",
    },
    {
        .group = group_server,
        .name = "reuse-port",
        .kind = OPTION_SWITCH,
        .offset = offsetof(config, reuse_port),
        .initial = "off",
        .value_name = "on|off",
        .help = "Several servers of the same user may listen at the same TCP port (SO_REUSEPORT): the kernel "
                "spreads new connections over them, and one can be started before the other is stopped. "
                "Within a server the workers share one socket for each address either way.",
    },
    {
        .group = group_server,
        .name = "socket-mode",
        .kind = OPTION_STRING,
        .offset = offsetof(config, socket_mode),
        .example = "660",
        .value_name = "MODE",
        .form = "octal digits, 0 to 777",
        .check = check_socket_mode,
        .help = "Permissions of unix sockets in octal digits; who may write may connect. They are set before "
                "anybody can connect. Without it as the umask says.",
    },
    {
        .group = group_server,
        .name = "socket-user",
        .kind = OPTION_STRING,
        .offset = offsetof(config, socket_user),
        .example = "www-data",
        .value_name = "USER",
        .form = "a name or a number",
        .help = "Owner of unix sockets; another one than who runs the server only root can give.",
    },
    {
        .group = group_server,
        .name = "socket-group",
        .kind = OPTION_STRING,
        .offset = offsetof(config, socket_group),
        .example = "www-data",
        .value_name = "GROUP",
        .form = "a name or a number",
        .help = "Group of unix sockets, so that a proxy of this group may connect (with --socket-mode 660).",
    },
    {
        .group = group_server,
        .name = "backlog",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, backlog),
        .initial = "2048",
        .minimum = 1,
        .maximum = 65535,
        .value_name = "N",
        .help = "Connections that may wait to be accepted, for each address. The kernel's net.core.somaxconn "
                "caps it.",
    },
    {
        .group = group_process,
        .name = "daemon",
        .flag = 'D',
        .kind = OPTION_SWITCH,
        .offset = offsetof(config, daemon),
        .initial = "off",
        .value_name = "on|off",
        .help =
            "Run in the background. The command returns when the first worker serves, with 0, or when the "
            "start "
            "has failed, with the exit code of a server in the foreground and its messages. From then on "
            "standard output and standard error go nowhere, unless they are files: to keep the log, name one "
            "(error-logfile).",
    },
    {
        .group = group_process,
        .name = "pid",
        .flag = 'p',
        .kind = OPTION_STRING,
        .offset = offsetof(config, pid),
        .example = "/run/hubbub/chat.pid",
        .value_name = "FILE",
        .form = "a path",
        .help = "File for the process id of the master. It is written once the addresses are bound, refused "
                "when it "
                "names another server that runs, replaced when that one is gone, and removed at the end.",
    },
    {
        .group = group_process,
        .name = "control-socket",
        .kind = OPTION_STRING,
        .offset = offsetof(config, control_socket),
        .example = "/run/hubbub/control",
        .value_name = "PATH",
        .form = "a path, or off",
        .help =
            "Unix socket at which hubbubctl asks for the server's state and gives orders; its mode is 0600. "
            "Without it there is one only under a service manager that gives the server a folder "
            "(RuntimeDirectory): `control` in there. off: none in any case.",
    },
    {
        .group = group_process,
        .name = "name",
        .flag = 'n',
        .kind = OPTION_STRING,
        .offset = offsetof(config, name),
        .changed_by_hup = true,
        .example = "chat",
        .value_name = "NAME",
        .form = "any text",
        .help = "What ps shows: \"hubbub: master [NAME]\", \"hubbub: worker 3 [NAME]\". Without it the "
                "application's "
                "file name, without its ending.",
    },
    {
        .group = group_process,
        .name = "chdir",
        .kind = OPTION_STRING,
        .offset = offsetof(config, chdir),
        .example = "/srv/chat",
        .value_name = "FOLDER",
        .form = "a path",
        .help = "Folder that is entered at the start: relative paths of the application, its folders, unix "
                "sockets "
                "and the pid file are meant from there. That of the file that -c names is not.",
    },
    {
        .group = group_process,
        .name = "env",
        .flag = 'e',
        .kind = OPTION_VARIABLES,
        .offset = offsetof(config, env),
        .maximum = CONFIG_VARIABLES_MAX,
        .changed_by_hup = true,
        .example = "CHAT_GREETING=Hello, all",
        .value_name = "NAME=VALUE",
        .form = "NAME=VALUE",
        .check = check_variable,
        .help =
            "A variable in the environment of the workers, set before the application is loaded. Repeat it "
            "for "
            "several; of one name the last counts. What looks like a secret (by its name, or a password in a "
            "URL) is left out of --print-config. There is no variable of this option's own.",
    },
    {
        .group = group_process,
        .name = "user",
        .flag = 'u',
        .kind = OPTION_STRING,
        .offset = offsetof(config, user),
        .example = "www-data",
        .value_name = "USER",
        .form = "a name or a number",
        .check = check_account,
        .help = "The user that workers become, with its group and supplementary groups, when root starts the "
                "server: addresses are bound before. HOME, USER and LOGNAME become that user's. The master "
                "stays root and keeps only what binding and supervising need. Who is not root can name but "
                "itself.",
    },
    {
        .group = group_process,
        .name = "group",
        .flag = 'g',
        .kind = OPTION_STRING,
        .offset = offsetof(config, group),
        .example = "www-data",
        .value_name = "GROUP",
        .form = "a name or a number",
        .check = check_account,
        .help = "The group that workers become. Without it that of user.",
    },
    {
        .group = group_process,
        .name = "drop-master",
        .kind = OPTION_SWITCH,
        .offset = offsetof(config, drop_master),
        .initial = "off",
        .value_name = "on|off",
        .help = "The master becomes user and group as well, once the addresses are bound and the pid file is "
                "written. It can then no longer bind addresses below port 1024, read a configuration file "
                "that only root may read, or remove a pid file or unix socket from a folder of root's.",
    },
    {
        .group = group_process,
        .name = "umask",
        .flag = 'm',
        .kind = OPTION_STRING,
        .offset = offsetof(config, umask),
        .changed_by_hup = true,
        .example = "027",
        .value_name = "MASK",
        .form = "octal digits, 0 to 777",
        .check = check_umask,
        .help = "Permissions that files and unix sockets do not get, in octal digits. Without it as the "
                "server was started.",
    },
    {
        .group = group_process,
        .name = "cpu-affinity",
        .kind = OPTION_WORDS,
        .offset = offsetof(config, cpu_affinity),
        .initial = "off",
        .maximum = CPUS_LISTED_MAX,
        .changed_by_hup = true,
        .value_name = "off|auto|CPUS",
        .form = "off, auto, or CPUs such as 0, 2, 4-7",
        .check = check_cpu_affinity,
        .help = "Keeps each worker on one CPU: auto takes those that the process may use, or give a list. "
                "Worker 0 "
                "gets the first, worker 1 the second and so on, from the front again when there are more "
                "workers. "
                "It can help where hubbub has the machine to itself, and harms where it has not.",
    },
    {
        .group = group_process,
        .name = "core-dump",
        .kind = OPTION_STRING,
        .offset = offsetof(config, core_dump),
        .changed_by_hup = true,
        .example = "off",
        .value_name = "off|on|SIZE",
        .form = "off, on or a size",
        .check = check_core_dump,
        .help =
            "Whether a process that crashes leaves a core file, and how large at most. A core file holds "
            "what "
            "was in memory, clients' data among it. on: as large as the hard limit allows. Without it as the "
            "server was started (ulimit -c).",
    },
    {
        .group = group_process,
        .name = "no-new-privileges",
        .kind = OPTION_SWITCH,
        .offset = offsetof(config, no_new_privileges),
        .initial = "on",
        .changed_by_hup = true,
        .value_name = "on|off",
        .help =
            "Workers and what they start can gain no privileges: programs such as sudo, ping or sendmail run "
            "without theirs. off: for an application that needs one of these.",
    },
    {
        .group = group_log,
        .name = "error-logfile",
        .alias = "log-file",
        .kind = OPTION_STRING,
        .offset = offsetof(config, error_logfile),
        .initial = "-",
        .changed_by_hup = true,
        .value_name = "FILE",
        .form = "a path, or -",
        .help =
            "Where the log of the server and its application goes; -: to standard error. With a file, what "
            "is written to standard error otherwise (by the application, or in a crash) goes there, too. "
            "USR1 opens it anew, by its name. It is opened before privileges are dropped.",
    },
    {
        .group = group_log,
        .name = "log-level",
        .kind = OPTION_LEVEL,
        .offset = offsetof(config, log_level),
        .initial = "info",
        .changed_by_hup = true,
        .value_name = "LEVEL",
        .help = "The least important lines to log: debug, info, warning, error or critical.",
    },
    {
        .group = group_log,
        .name = "access-logfile",
        .kind = OPTION_STRING,
        .offset = offsetof(config, access_logfile),
        .changed_by_hup = true,
        .example = "/var/log/hubbub/access.log",
        .value_name = "FILE",
        .form = "a path, or -",
        .help =
            "Where a line for each request goes; -: to standard output. Without it no file has them. What "
            "cannot be written at once, to a full disk or a pipe that nobody reads, is dropped, and the log "
            "says how much. USR1 opens it anew, by its name.",
    },
    {
        .group = group_log,
        .name = "access-logformat",
        .kind = OPTION_STRING,
        .offset = offsetof(config, access_logformat),
        .initial = "%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s %(b)s \"%(f)s\" \"%(a)s\"",
        .changed_by_hup = true,
        .value_name = "FORMAT",
        .form = "text with atoms such as %(h)s",
        .check = access_format_check,
        .help =
            "A line of the access log, with the atoms of gunicorn: h client, l a dash, u user, t time, r "
            "request line, m method, U path, q query, H protocol, s status, B and b bytes of the answer (a "
            "dash for none), f referrer, a user agent, T seconds, M milliseconds, D microseconds, L seconds "
            "with a fraction, p process, {header}i, {header}o, {variable}e. %% is a percent sign.",
    },
    {
        .group = group_log,
        .name = "log-json",
        .kind = OPTION_SWITCH,
        .offset = offsetof(config, log_json),
        .initial = "off",
        .changed_by_hup = true,
        .value_name = "on|off",
        .help = "Each line of both logs is an object of JSON. Those of the access log have a member for each "
                "atom of access-logformat, in its order.",
    },
    {
        .group = group_log,
        .name = "log-syslog",
        .kind = OPTION_SWITCH,
        .offset = offsetof(config, log_syslog),
        .initial = "off",
        .changed_by_hup = true,
        .value_name = "on|off",
        .help = "Send both logs to a syslog daemon as well. Lines that it does not take at once are dropped; "
                "when it takes lines again, one says how many.",
    },
    {
        .group = group_log,
        .name = "log-syslog-to",
        .kind = OPTION_STRING,
        .offset = offsetof(config, log_syslog_to),
        .initial = "unix:///dev/log",
        .changed_by_hup = true,
        .value_name = "ADDRESS",
        .form = "unix://PATH or udp://HOST:PORT",
        .check = check_syslog_address,
        .help = "Where the syslog daemon listens for datagrams.",
    },
    {
        .group = group_log,
        .name = "log-syslog-prefix",
        .kind = OPTION_STRING,
        .offset = offsetof(config, log_syslog_prefix),
        .changed_by_hup = true,
        .example = "chat",
        .value_name = "PREFIX",
        .form = "letters, digits, dots, dashes and _",
        .check = check_syslog_prefix,
        .help = "Lines name the program hubbub.PREFIX there, and not only hubbub.",
    },
    {
        .group = group_log,
        .name = "log-syslog-facility",
        .kind = OPTION_STRING,
        .offset = offsetof(config, log_syslog_facility),
        .initial = "user",
        .changed_by_hup = true,
        .value_name = "FACILITY",
        .form = "a facility such as user, daemon or local0",
        .check = check_syslog_facility,
        .help = "The facility of lines there.",
    },
    {
        .group = group_log,
        .name = "disable-redirect-access-to-syslog",
        .kind = OPTION_SWITCH,
        .offset = offsetof(config, disable_redirect_access_to_syslog),
        .initial = "off",
        .changed_by_hup = true,
        .value_name = "on|off",
        .help = "Keep the access log from the syslog daemon.",
    },
    {
        .group = group_supervision,
        .name = "timeout",
        .flag = 't',
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, timeout),
        .initial = "30",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A worker whose hub has not turned for so long is killed and replaced. 0: never.",
    },
    {
        .group = group_supervision,
        .name = "boot-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, boot_timeout),
        .initial = "30",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help =
            "A new worker that is not ready to serve after so long is killed; its application's setup and "
            "start hooks must fit into it.",
    },
    {
        .group = group_supervision,
        .name = "graceful-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, graceful_timeout),
        .initial = "30",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "From SIGTERM to the end of a worker: requests in progress finish and WebSocket clients are "
                "closed spread over this time. 0: at once.",
    },
    {
        .group = group_supervision,
        .name = "reload-verify",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, reload_verify),
        .initial = "2",
        .minimum = 0,
        .maximum = 3600,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help =
            "How long a new release is on probation at a reload. Its first worker serves for so long beside "
            "the old one before the others are replaced; when a worker of it cannot boot, or dies within "
            "this "
            "time after it was ready, the reload is abandoned and the old release goes on everywhere.",
    },
    {
        .group = group_supervision,
        .name = "max-requests",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, max_requests),
        .initial = "0",
        .minimum = 0,
        .maximum = 4e9,
        .changed_by_hup = true,
        .value_name = "N",
        .help = "A worker that has taken so many HTTP requests, WebSocket messages and connections together "
                "is replaced, as at a reload: its successor serves before it goes. 0: never.",
    },
    {
        .group = group_supervision,
        .name = "max-requests-jitter",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, max_requests_jitter),
        .initial = "0",
        .minimum = 0,
        .maximum = 4e9,
        .changed_by_hup = true,
        .value_name = "N",
        .help = "The limit of max-requests is higher by a random part of this, another one in each worker, "
                "so that they are not all replaced together.",
    },
    {
        .group = group_supervision,
        .name = "max-worker-memory",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, max_worker_memory),
        .initial = "0",
        .minimum = 0,
        .maximum = 1024 * GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "A worker whose own memory (resident and not shared) is larger is replaced in the same "
                "manner: against an application that leaks. 0: without a limit.",
    },
    {
        .group = group_supervision,
        .name = "max-worker-memory-jitter",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, max_worker_memory_jitter),
        .initial = "0",
        .minimum = 0,
        .maximum = 1024 * GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Random part of max-worker-memory, as max-requests-jitter.",
    },
    {
        .group = group_supervision,
        .name = "max-worker-lifetime",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, max_worker_lifetime),
        .initial = "0",
        .minimum = 0,
        .maximum = 365 * DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A worker of this age is replaced in the same manner. 0: never.",
    },
    {
        .group = group_supervision,
        .name = "max-worker-lifetime-jitter",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, max_worker_lifetime_jitter),
        .initial = "0",
        .minimum = 0,
        .maximum = 365 * DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "Random part of max-worker-lifetime, as max-requests-jitter.",
    },
    {
        .group = group_http,
        .name = "worker-connections",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, worker_connections),
        .initial = "65535",
        .minimum = 1,
        .maximum = 1000000,
        .changed_by_hup = true,
        .value_name = "N",
        .help = "A worker stops accepting at so many connections. The default is high because an idle client "
                "costs little memory; the limit on open files (ulimit -n) must be above it to matter.",
    },
    {
        .group = group_http,
        .name = "proxy-protocol",
        .kind = OPTION_SWITCH,
        .offset = offsetof(config, proxy_protocol),
        .initial = "off",
        .changed_by_hup = true,
        .value_name = "on|off",
        .help =
            "Connections from the peers of proxy-allow-from begin with a header of the PROXY protocol, "
            "version "
            "1 or 2, as HAProxy and load balancers write it; the client's address is taken from it. Without "
            "one, or when it does not come within header-timeout, such a connection is closed. In what comes "
            "from others such a header is an error (400).",
    },
    {
        .group = group_http,
        .name = "proxy-allow-from",
        .kind = OPTION_WORDS,
        .offset = offsetof(config, proxy_allow_from),
        .initial = "127.0.0.1, ::1",
        .maximum = NETWORKS_MAX,
        .changed_by_hup = true,
        .value_name = "NETWORKS",
        .form = "*, none, or addresses and networks such as 10.0.0.0/8",
        .check = check_networks,
        .help = "The proxies for proxy-protocol: addresses and networks, * for all, none for nobody. Clients "
                "of unix "
                "sockets count as proxies except for none: the socket's permissions say who can connect.",
    },
    {
        .group = group_http,
        .name = "forwarded-allow-ips",
        .kind = OPTION_WORDS,
        .offset = offsetof(config, forwarded_allow_ips),
        .initial = "127.0.0.1, ::1",
        .maximum = NETWORKS_MAX,
        .changed_by_hup = true,
        .value_name = "NETWORKS",
        .form = "*, none, or addresses and networks such as 10.0.0.0/8",
        .check = check_networks,
        .help = "From these peers X-Forwarded-For, X-Forwarded-Proto and, where there is no X-Forwarded-For, "
                "Forwarded (RFC 7239) are believed: the client is the last address that is not itself in "
                "this list. "
                "A proxy must set or remove each of them. Clients of unix sockets count as in it, except for "
                "none.",
    },
    {
        .group = group_http,
        .name = "keep-alive",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, keep_alive),
        .initial = "75",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "An HTTP connection without a request is closed after so long. The default is above the 60 "
                "seconds for which common proxies keep theirs, so that the proxy closes first and no request "
                "meets a closing connection.",
    },
    {
        .group = group_http,
        .name = "header-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, header_timeout),
        .initial = "10",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "From a request's first byte to the end of its headers; answered with 408.",
    },
    {
        .group = group_http,
        .name = "body-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, body_timeout),
        .initial = "30",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "Between two pieces of a request's body; answered with 408.",
    },
    {
        .group = group_http,
        .name = "limit-request-line",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, limit_request_line),
        .initial = "8190",
        .minimum = 256,
        .maximum = MIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Bytes of a request line; a longer one is answered with 414.",
    },
    {
        .group = group_http,
        .name = "limit-request-fields",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, limit_request_fields),
        .initial = "100",
        .minimum = 1,
        .maximum = 10000,
        .changed_by_hup = true,
        .value_name = "N",
        .help = "Header lines of a request; more are answered with 431.",
    },
    {
        .group = group_http,
        .name = "limit-request-field-size",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, limit_request_field_size),
        .initial = "0",
        .minimum = 0,
        .maximum = 1 * MIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Bytes of one header line; a longer one is answered with 431. 0: only limit-request-head counts.",
    },
    {
        .group = group_http,
        .name = "limit-request-head",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, limit_request_head),
        .initial = "32K",
        .minimum = 256,
        .maximum = 16 * MIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Bytes of request line and headers together, at least limit-request-line; more are answered "
                "with 431.",
    },
    {
        .group = group_http,
        .name = "max-body",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, max_body),
        .initial = "1M",
        .minimum = 0,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Bytes of a request's body, which is held in memory; a larger one is answered with 413.",
    },
    {
        .group = group_http,
        .name = "static-cache",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, static_cache),
        .initial = "0",
        .minimum = 0,
        .maximum = 31536000,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "For so long clients and caches may use a static file without asking whether it has changed "
                "(Cache-Control: max-age). 0: they ask each time (no-cache), which costs a 304 when it has "
                "not.",
    },
    {
        .group = group_http,
        .name = "http-compress",
        .kind = OPTION_STRING,
        .offset = offsetof(config, http_compress),
        .initial = "off",
        .changed_by_hup = true,
        .value_name = "MODE",
        .form = "off or on",
        .check = check_compress,
        .help =
            "Compression (gzip) of answers that handlers give, with clients that accept it: text, JSON, XML "
            "and "
            "the like. A route may say otherwise. Off by default, because encryption does not hide a length: "
            "where an answer holds a secret (a session's or a form's token, a private address) beside text "
            "that an attacker can choose (a search that is repeated, a comment), he asks many times and sees "
            "by the length when his text is like the secret (BREACH). On is safe where answers hold no "
            "secrets, or nothing of what others chose; else compress only the routes of which that is true. "
            "Static files are sent compressed only where FILE.gz or FILE.br lies beside, whatever this says.",
    },
    {
        .group = group_http,
        .name = "http-compress-threshold",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, http_compress_threshold),
        .initial = "1K",
        .minimum = 0,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Shorter replies are sent as they are: they fill one packet either way. So are those above 512K, "
            "which would hold up the worker's other clients for too long, and those that do not get smaller. "
            "What is streamed is compressed whatever its length.",
    },
    {
        .group = group_websocket,
        .name = "ws-origins",
        .kind = OPTION_WORDS,
        .offset = offsetof(config, ws_origins),
        .initial = "same",
        .maximum = ORIGINS_MAX,
        .changed_by_hup = true,
        .value_name = "ORIGINS",
        .form = "\"same\", \"*\", or origins such as https://a.example, https://b.example:8443",
        .check = check_origins,
        .help =
            "Which web pages may open a WebSocket, by the Origin header that browsers send: \"same\" (pages "
            "of the host and port in the Host header), origins in lower case as browsers send them, or "
            "several of these as a list; or \"*\" (pages of any site, which then act with their visitor's "
            "cookies). Clients without an Origin header are no browsers and always allowed.",
    },
    {
        .group = group_websocket,
        .name = "max-message",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, max_message),
        .initial = "1M",
        .minimum = 1,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Bytes of one whole message; a larger one closes its client with 1009. What is broadcast must "
            "also fit into a quarter of log-size.",
    },
    {
        .group = group_websocket,
        .name = "ws-ping-interval",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, ws_ping_interval),
        .initial = "25",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A client that was silent for so long gets a ping. 0: never, and silent clients stay.",
    },
    {
        .group = group_websocket,
        .name = "ws-ping-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, ws_ping_timeout),
        .initial = "20",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A client that stays silent for so long after a ping is closed.",
    },
    {
        .group = group_websocket,
        .name = "ws-close-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, ws_close_timeout),
        .initial = "5",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "From the server's close frame to the end of the connection, answered or not.",
    },
    {
        .group = group_websocket,
        .name = "ws-deflate",
        .kind = OPTION_STRING,
        .offset = offsetof(config, ws_deflate),
        .initial = "on",
        .changed_by_hup = true,
        .value_name = "MODE",
        .form = "off, on or takeover",
        .check = check_deflate,
        .help =
            "Compression of messages (permessage-deflate) with clients that offer it, as browsers do. on: "
            "each message for itself, so that a client needs no memory for it and a broadcast is "
            "compressed once for all. takeover: messages refer to those before them, which makes similar "
            "ones much smaller, but each client that uses it costs up to 210K of memory and its own "
            "compression of every broadcast. off: never; so where secrets and what an attacker "
            "chooses may meet in one message (with takeover: on one connection), as its length can then "
            "tell about the secret.",
    },
    {
        .group = group_websocket,
        .name = "ws-deflate-threshold",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, ws_deflate_threshold),
        .initial = "1000",
        .minimum = 0,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Shorter messages are sent as they are. Below about 1000 bytes a message fills one packet "
                "either way, and compressing it costs the server about as much as sending it. A message that "
                "does not get smaller is sent as it is, too.",
    },
    {
        .group = group_sio,
        .name = "sio-transports",
        .kind = OPTION_WORDS,
        .offset = offsetof(config, sio_transports),
        .initial = "polling, websocket",
        .maximum = 2,
        .changed_by_hup = true,
        .value_name = "TRANSPORTS",
        .form = "polling, websocket, or both",
        .check = check_transports,
        .help =
            "How Socket.IO's and Engine.IO's clients may come. With both, a client that begins with polling "
            "is offered the upgrade.",
    },
    {
        .group = group_sio,
        .name = "sio-origins",
        .kind = OPTION_WORDS,
        .offset = offsetof(config, sio_origins),
        .initial = "same",
        .maximum = ORIGINS_MAX,
        .changed_by_hup = true,
        .value_name = "ORIGINS",
        .form = "\"same\", \"*\", or origins such as https://a.example, https://b.example:8443",
        .check = check_origins,
        .help =
            "Which web pages may connect to Socket.IO and Engine.IO, as ws-origins says it for WebSockets; "
            "pages of these origins may read the answers (CORS). Others get 403.",
    },
    {
        .group = group_sio,
        .name = "sio-cookie",
        .kind = OPTION_STRING,
        .offset = offsetof(config, sio_cookie),
        .changed_by_hup = true,
        .value_name = "NAME",
        .example = "io",
        .check = check_token,
        .help =
            "Name of a cookie with the session's id, for load balancers that want one. hubbub needs none: "
            "any worker finds the session.",
    },
    {
        .group = group_sio,
        .name = "sio-ping-interval",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, sio_ping_interval),
        .initial = "25",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help =
            "The time from a client's pong to the next ping. Clients are told, and close when no ping comes.",
    },
    {
        .group = group_sio,
        .name = "sio-ping-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, sio_ping_timeout),
        .initial = "20",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A client that has not answered a ping for so long is closed: \"ping timeout\".",
    },
    {
        .group = group_sio,
        .name = "sio-upgrade-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, sio_upgrade_timeout),
        .initial = "10",
        .minimum = 0.1,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A WebSocket that has not taken its polling session over in this time is closed; the session "
                "goes on polling.",
    },
    {
        .group = group_sio,
        .name = "sio-max-payload",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, sio_max_payload),
        .initial = "1000000",
        .minimum = 1024,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Bytes of one message (close 1009 above it) and of one polling request (413). Clients are told.",
    },
    {
        .group = group_sio,
        .name = "sio-packets-a-poll",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, sio_packets_a_poll),
        .initial = "16",
        .minimum = 0,
        .maximum = 65536,
        .changed_by_hup = true,
        .value_name = "COUNT",
        .help = "Packets in one answer to a poll; Python's clients refuse more than 16. 0: no limit.",
    },
    {
        .group = group_sio,
        .name = "sio-compress-threshold",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, sio_compress_threshold),
        .initial = "1K",
        .minimum = 0,
        .maximum = GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Answers to polls from this size on are compressed (gzip) for clients that accept it. 0: none "
            "is; so where secrets and what an attacker chose are sent together.",
    },
    {
        .group = group_sio,
        .name = "sio-connect-timeout",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, sio_connect_timeout),
        .initial = "45",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "A connection that has joined no namespace of Socket.IO for so long is closed. 0: never.",
    },
    {
        .group = group_sio,
        .name = "sio-max-attachments",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, sio_max_attachments),
        .initial = "10",
        .minimum = 0,
        .maximum = 63,
        .changed_by_hup = true,
        .value_name = "N",
        .help =
            "Pieces of binary in one packet of a Socket.IO client. With more it is closed: \"parse error\".",
    },
    {
        .group = group_sio,
        .name = "sio-max-depth",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, sio_max_depth),
        .initial = "64",
        .minimum = 1,
        .maximum = 1024,
        .changed_by_hup = true,
        .value_name = "N",
        .help =
            "Arrays and objects within each other in one packet of a Socket.IO client. Deeper ones close it: "
            "\"parse error\".",
    },
    {
        .group = group_sio,
        .name = "sio-max-namespaces",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, sio_max_namespaces),
        .initial = "32",
        .minimum = 1,
        .maximum = 1000,
        .changed_by_hup = true,
        .value_name = "N",
        .help = "Namespaces that one connection of Socket.IO may have joined. Further ones are refused with "
                "CONNECT_ERROR.",
    },
    {
        .group = group_sio,
        .name = "sio-packet-rate",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, sio_packet_rate),
        .initial = "0",
        .minimum = 0,
        .maximum = 1e9,
        .changed_by_hup = true,
        .value_name = "N",
        .help =
            "Packets that one connection of Socket.IO may send in a second. With more it is closed: \"forced "
            "server close\". 0: any number.",
    },
    {
        .group = group_queue,
        .name = "queue-soft",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, queue_soft),
        .initial = "1M",
        .minimum = KIB,
        .maximum = 4 * GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Bytes that may wait for a slow client for any time. Above it for longer than queue-time, the "
            "route's policy applies.",
    },
    {
        .group = group_queue,
        .name = "queue-hard",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, queue_hard),
        .initial = "16M",
        .minimum = KIB,
        .maximum = 4 * GIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help =
            "Bytes that may wait for a slow client at all: above it the route's policy applies at once. At "
            "least queue-soft, and more than max-message, so that the largest message has room.",
    },
    {
        .group = group_queue,
        .name = "queue-time",
        .kind = OPTION_SECONDS,
        .offset = offsetof(config, queue_time),
        .initial = "10",
        .minimum = 0,
        .maximum = DAY,
        .changed_by_hup = true,
        .value_name = "SECONDS",
        .help = "How long a client's queue may stay above queue-soft. 0: not at all.",
    },
    {
        .group = group_memory,
        .name = "stack-size",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, stack_size),
        .initial = "256K",
        .minimum = 64 * KIB,
        .maximum = 64 * MIB,
        .changed_by_hup = true,
        .value_name = "SIZE",
        .help = "Address space of a greenlet's stack. Memory is used only for the pages that are touched.",
    },
    {
        .group = group_memory,
        .name = "max-greenlets",
        .kind = OPTION_UNSIGNED,
        .offset = offsetof(config, max_greenlets),
        .initial = "100000",
        .minimum = 16,
        .maximum = 10000000,
        .changed_by_hup = true,
        .value_name = "N",
        .help =
            "Greenlets that may live at once in one worker: running handlers, receive loops and those that "
            "the application starts.",
    },
    {
        .group = group_memory,
        .name = "log-size",
        .kind = OPTION_SIZE,
        .offset = offsetof(config, log_size),
        .initial = "64M",
        .minimum = MIB,
        .maximum = 4 * GIB,
        .power_of_two = true,
        .value_name = "SIZE",
        .help =
            "Shared memory of the host log, through which broadcasts reach all workers; a power of two. A "
            "worker that falls behind by so many bytes misses broadcasts. One broadcast may use a quarter "
            "of it.",
    },
};

const size_t option_count = sizeof options / sizeof options[0];

const command commands[] = {
    {
        .name = "config",
        .flag = 'c',
        .value_name = "FILE",
        .action = CONFIG_RUN,
        .help =
            "Read options from a file: INI (.ini, .conf, .cfg) or YAML (.yaml, .yml). Keys are the names of "
            "the long options.",
    },
    {
        .name = "help",
        .flag = 'h',
        .action = CONFIG_HELP,
        .help = "Print this text.",
    },
    {
        .name = "version",
        .flag = 'V',
        .alias = 'v',
        .action = CONFIG_VERSION,
        .help = "Print the version.",
    },
    {
        .name = "print-config",
        .action = CONFIG_PRINT,
        .help = "Print the configuration as YAML that -c reads, with where each value came from. Secrets in "
                "env are "
                "left out.",
    },
    {
        .name = "check-config",
        .action = CONFIG_CHECK,
        .help = "Check the configuration and start nothing.",
    },
    {
        .name = "print-reference",
        .action = CONFIG_REFERENCE,
    },
    {
        .name = "print-sample-yaml",
        .action = CONFIG_SAMPLE_YAML,
    },
    {
        .name = "print-sample-ini",
        .action = CONFIG_SAMPLE_INI,
    },
};

const size_t command_count = sizeof commands / sizeof commands[0];
