/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/mime.h"
#include "worker/http/field.h"

typedef struct mime_entry {
    const char *extension;
    const char *type;
} mime_entry;

static const mime_entry entries[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"map", "application/json"},
    {"webmanifest", "application/manifest+json"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"xml", "text/xml; charset=utf-8"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"ico", "image/vnd.microsoft.icon"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"otf", "font/otf"},
    {"mp3", "audio/mpeg"},
    {"ogg", "audio/ogg"},
    {"opus", "audio/ogg"},
    {"wav", "audio/wav"},
    {"m4a", "audio/mp4"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"pdf", "application/pdf"},
    {"wasm", "application/wasm"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"tar", "application/x-tar"},
};

const char *mime_type(hub_bytes path)
{
    const char *start = path.data;
    size_t at = path.length;
    while (at > 0 && start[at - 1] != '.' && start[at - 1] != '/')
        at--;
    if (at > 0 && start[at - 1] == '.') {
        hub_bytes extension = hub_bytes_of(start + at, path.length - at);
        for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
            if (field_name_equal(extension, hub_text(entries[i].extension)))
                return entries[i].type;
    }
    return "application/octet-stream";
}
