/* SPDX-License-Identifier: Apache-2.0 */
/* Why a session ended, in the words that Socket.IO servers give their applications. */
#ifndef WORKER_SIO_REASON_H
#define WORKER_SIO_REASON_H

#define SIO_REASON_MAP(X)                                                                                    \
    X(TRANSPORT_CLOSE, "transport close")                                                                    \
    X(TRANSPORT_ERROR, "transport error")                                                                    \
    X(PING_TIMEOUT, "ping timeout")                                                                          \
    X(PARSE_ERROR, "parse error")                                                                            \
    X(FORCED_CLOSE, "forced close")                                                                          \
    X(FORCED_SERVER_CLOSE, "forced server close")                                                            \
    X(SERVER_SHUTTING_DOWN, "server shutting down")                                                          \
    X(CLIENT_DISCONNECT, "client namespace disconnect")                                                      \
    X(SERVER_DISCONNECT, "server namespace disconnect")

typedef enum sio_reason {
#define SIO_REASON_ENUM(name, text) SIO_##name,
    SIO_REASON_MAP(SIO_REASON_ENUM)
#undef SIO_REASON_ENUM
} sio_reason;

static inline const char *sio_reason_text(sio_reason reason)
{
    static const char *const texts[] = {
#define SIO_REASON_TEXT(name, text) text,
        SIO_REASON_MAP(SIO_REASON_TEXT)
#undef SIO_REASON_TEXT
    };
    return texts[reason];
}

#endif
