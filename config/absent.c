/* SPDX-License-Identifier: Apache-2.0 */
#include "config/absent.h"

#include "config/options.h"

static const char no_python[] = "applications are shared objects or C files; give the path of one as APP";
static const char no_code[] = "a configuration runs no code; an application has hub_on_start and hub_on_stop";
static const char no_logger[] = "the forms of the logs are text, --log-json and --log-syslog";
static const char no_watching[] = "files are not watched; send SIGHUP after a change";
static const char no_tls[] = "TLS ends at a proxy in front of the server; --forwarded-allow-ips says whose "
                             "X-Forwarded-Proto is believed";
static const char no_http_2[] = "HTTP/1.1 and WebSocket are spoken; a proxy in front may speak HTTP/2";
static const char no_lenience[] = "requests are read as RFC 9112 has them, and what it forbids is refused";
static const char no_asgi[] = "there is one kind of worker, and it is no Python";
static const char no_dirty[] =
    "handlers wait in greenlets; what computes for long belongs in a process of its own";
static const char no_statsd[] = "nothing is sent to statsd; hubbubctl status has the numbers";
static const char no_map[] =
    "an application gets each field as it was sent, and names no variables after them";

/* By subject. Names with no dashes before them in gunicorn's reference are keys of its file alone. */
static const struct absent {
    const char *name, *reason;
} absents[] = {
    {"preload", "the master runs no application code, so that a reload can bring new code and a fault in it "
                "cannot end the server; each worker loads the application in milliseconds"},
    {"preload-app", "see --preload: the master runs no application code"},
    {"threads", "a worker is one thread that runs any number of greenlets; give --workers"},
    {"reload", no_watching},
    {"reload-engine", no_watching},
    {"reload-extra-file", no_watching},
    {"reload-extra-files", no_watching},
    {"worker-tmp-dir", "heartbeats are kept in shared memory, not in files"},
    {"initgroups", "a user's supplementary groups always come with --user"},
    {"spew", "a debugger shows what a C application executes"},
    {"no-sendfile", "files are always sent by the kernel"},
    {"sendfile", "files are always sent by the kernel"},
    {"tmp-upload-dir", "bodies are kept in memory, up to --max-body, or read by the handler as they come"},
    {"no-control-socket", "give --control-socket off"},
    {"control-socket-disable", "write control-socket = off"},
    {"control-socket-mode", "it is 0600: who may give orders is the user of the server, and root"},

    {"capture-output", "what anybody prints to standard error stands in the error log already"},
    {"enable-stdio-inheritance", "what anybody prints to standard error stands in the error log already"},
    {"R", "what anybody prints to standard error stands in the error log already"},
    {"logger-class", no_logger},
    {"log-config", no_logger},
    {"log-config-json", no_logger},
    {"logconfig", no_logger},
    {"logconfig-dict", no_logger},
    {"logconfig-json", no_logger},
    {"statsd-host", no_statsd},
    {"statsd-prefix", no_statsd},
    {"dogstatsd-tags", no_statsd},
    {"enable-backlog-metric", no_statsd},

    {"pythonpath", no_python},
    {"paste", no_python},
    {"paster", no_python},
    {"paste-global", no_python},
    {"raw-paste-global-conf", no_python},
    {"protocol", "HTTP/1.1 and WebSocket are spoken, not uWSGI's protocol"},
    {"uwsgi-allow-from", "HTTP/1.1 and WebSocket are spoken, not uWSGI's protocol"},
    {"uwsgi-allow-ips", "HTTP/1.1 and WebSocket are spoken, not uWSGI's protocol"},
    {"asgi-loop", no_asgi},
    {"asgi-lifespan", no_asgi},
    {"asgi-disconnect-grace-period", no_asgi},
    {"http-parser", "there is one parser"},
    {"root-path", "an application gets the whole path, and its routes name it"},
    {"dirty-app", no_dirty},
    {"dirty-apps", no_dirty},
    {"dirty-workers", no_dirty},
    {"dirty-timeout", no_dirty},
    {"dirty-threads", no_dirty},
    {"dirty-graceful-timeout", no_dirty},

    {"keyfile", no_tls},
    {"certfile", no_tls},
    {"ssl-version", no_tls},
    {"cert-reqs", no_tls},
    {"ca-certs", no_tls},
    {"suppress-ragged-eofs", no_tls},
    {"do-handshake-on-connect", no_tls},
    {"ciphers", no_tls},
    {"http-protocols", no_http_2},
    {"http2-cleartext", no_http_2},
    {"http2-max-concurrent-streams", no_http_2},
    {"http2-initial-window-size", no_http_2},
    {"http2-max-frame-size", no_http_2},
    {"http2-max-header-list-size", no_http_2},
    {"permit-obsolete-folding", no_lenience},
    {"strip-header-spaces", no_lenience},
    {"permit-unconventional-http-method", no_lenience},
    {"permit-unconventional-http-version", no_lenience},
    {"casefold-http-method", no_lenience},
    {"forwarder-headers", no_map},
    {"header-map", no_map},
    {"secure-scheme-headers", "X-Forwarded-Proto and Forwarded are read, from --forwarded-allow-ips alone"},

    /* Where gunicorn's file and its command line have two names, the one of the command line is taken. */
    {"wsgi-app", no_python},
    {"keepalive", "it is keep-alive"},
    {"raw-env", "it is env"},
    {"pidfile", "it is pid"},
    {"proc-name", "it is name"},
    {"default-proc-name", "it is name"},
    {"proxy-allow-ips", "it is proxy-allow-from"},
    {"accesslog", "it is access-logfile"},
    {"access-log-format", "it is access-logformat"},
    {"errorlog", "it is error-logfile"},
    {"loglevel", "it is log-level"},
    {"syslog", "it is log-syslog"},
    {"syslog-addr", "it is log-syslog-to"},
    {"syslog-prefix", "it is log-syslog-prefix"},
    {"syslog-facility", "it is log-syslog-facility"},

    {"on-starting", no_code},
    {"on-reload", no_code},
    {"when-ready", no_code},
    {"pre-fork", no_code},
    {"post-fork", no_code},
    {"post-worker-init", no_code},
    {"worker-int", no_code},
    {"worker-abort", no_code},
    {"pre-exec", no_code},
    {"pre-request", no_code},
    {"post-request", no_code},
    {"child-exit", no_code},
    {"worker-exit", no_code},
    {"nworkers-changed", no_code},
    {"on-exit", no_code},
    {"ssl-context", no_code},
    {"on-dirty-starting", no_code},
    {"dirty-post-fork", no_code},
    {"dirty-worker-init", no_code},
    {"dirty-worker-exit", no_code},
};

const char *absent_reason(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof absents / sizeof absents[0]; i++)
        if (option_is_name(absents[i].name, name, length))
            return absents[i].reason;
    return NULL;
}
