/* A web server on loopback that behaves as badly as real ones do. The path of a request says how; every request is kept for the test to
 * look at. One thread a connection, one request a connection, a port that the system chooses. */
#ifndef JEOUL_TESTS_HOSTILE_H
#define JEOUL_TESTS_HOSTILE_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOSTILE_BYTES = 300000, HOSTILE_MOST = 64, HOSTILE_REQUEST = 4096 };

struct hostile {
    int listener, port;
    int other_port;   // where /elsewhere redirects to
    const char *root; // what is below /files/; NULL: nothing
    pthread_t thread;
    pthread_mutex_t lock;
    int count;                                    // of requests
    char requests[HOSTILE_MOST][HOSTILE_REQUEST]; // as they came
    char body[2][HOSTILE_BYTES];                  // the file before and after it changed
};

struct hostile_exchange {
    struct hostile *server;
    int fd, nth; // the nth request of this path, from 1
    char request[HOSTILE_REQUEST], path[512];
};

static inline const char *hostile_header(const char *request, const char *name, char *out, size_t n)
{
    const char *line = request;
    out[0] = '\0';
    while ((line = strstr(line, "\r\n"))) {
        line += 2;
        size_t length = strlen(name);
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            snprintf(out, n, "%.*s", (int)strcspn(line + length + 2, "\r"), line + length + 2);
            return out;
        }
    }
    return NULL;
}

static inline void hostile_send(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        n -= (size_t)sent;
    }
}

static inline void hostile_say(int fd, const char *text)
{
    hostile_send(fd, text, strlen(text));
}

/* The answer of an honest server: ranges, and If-Range by the entity tag. `most`: the connection breaks behind so many bytes of the body.
 */
static inline void hostile_file(struct hostile_exchange *x, const char *bytes, size_t total, const char *etag, size_t most)
{
    char range[128], condition[128], head[512];
    long long from = 0;
    if (hostile_header(x->request, "Range", range, sizeof range) && sscanf(range, "bytes=%lld-", &from) == 1 &&
        (!hostile_header(x->request, "If-Range", condition, sizeof condition) || strcmp(condition, etag) == 0)) {
        if (from >= (long long)total) {
            snprintf(head, sizeof head, "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                     total);
            hostile_say(x->fd, head);
            return;
        }
        snprintf(head, sizeof head, "HTTP/1.1 206 Partial\r\nContent-Range: bytes %lld-%zu/%zu\r\nContent-Length: %lld\r\n", from,
                 total - 1, total, (long long)total - from);
    } else {
        from = 0;
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n", total);
    }
    hostile_say(x->fd, head);
    if (etag[0])
        snprintf(head, sizeof head, "ETag: %s\r\nConnection: close\r\n\r\n", etag);
    else
        snprintf(head, sizeof head, "Connection: close\r\n\r\n");
    hostile_say(x->fd, head);
    size_t n = total - (size_t)from;
    hostile_send(x->fd, bytes + from, n < most ? n : most);
}

static inline void hostile_redirect(struct hostile_exchange *x, const char *to, const char *more)
{
    char head[1024];
    snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n", to, more);
    hostile_say(x->fd, head);
}

static inline void hostile_until_gone(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN | POLLRDHUP};
    (void)poll(&wait, 1, 20000);
}

static inline bool hostile_changes(struct hostile_exchange *x, const char *path)
{
    const char *before = x->server->body[0], *after = x->server->body[1];
    char head[256], etag[16], range[64];
    long long from = 0;
    bool ranged = hostile_header(x->request, "Range", range, sizeof range) && sscanf(range, "bytes=%lld-", &from) == 1;
    if (strcmp(path, "/changed") == 0) // honest about it
        hostile_file(x, x->nth == 1 ? before : after, HOSTILE_BYTES, x->nth == 1 ? "\"v1\"" : "\"v2\"",
                     x->nth == 1 ? HOSTILE_BYTES / 2 : HOSTILE_BYTES);
    else if (strcmp(path, "/lies") == 0 && ranged) { // the rest of another file, whatever If-Range says
        snprintf(head, sizeof head,
                 "HTTP/1.1 206 OK\r\nETag: \"v2\"\r\nContent-Range: bytes %lld-%d/%d\r\nContent-Length: %lld\r\nConnection: close\r\n\r\n",
                 from, HOSTILE_BYTES - 1, HOSTILE_BYTES, HOSTILE_BYTES - from);
        hostile_say(x->fd, head);
        hostile_send(x->fd, after + from, (size_t)(HOSTILE_BYTES - from));
    } else if (strcmp(path, "/lies") == 0)
        hostile_file(x, x->nth == 1 ? before : after, HOSTILE_BYTES, x->nth == 1 ? "\"v1\"" : "\"v2\"",
                     x->nth == 1 ? HOSTILE_BYTES / 2 : HOSTILE_BYTES);
    else if (strcmp(path, "/same-tag") == 0) // another file under the same entity tag
        hostile_file(x, x->nth == 1 ? before : after, HOSTILE_BYTES, "\"v1\"", x->nth == 1 ? HOSTILE_BYTES / 2 : HOSTILE_BYTES);
    else if (strcmp(path, "/never-the-same") == 0) {
        snprintf(etag, sizeof etag, "\"v%d\"", x->nth);
        hostile_file(x, before, HOSTILE_BYTES, etag, HOSTILE_BYTES / 2);
    } else
        return false;
    return true;
}

static inline bool hostile_breaks(struct hostile_exchange *x, const char *path)
{
    const char *bytes = x->server->body[0];
    char head[256], range[64];
    bool ranged = hostile_header(x->request, "Range", range, sizeof range);
    if (strcmp(path, "/cut") == 0)
        hostile_file(x, bytes, HOSTILE_BYTES, "\"v1\"", x->nth == 1 ? HOSTILE_BYTES / 2 : HOSTILE_BYTES);
    else if (strcmp(path, "/always-cut") == 0)
        hostile_file(x, bytes, HOSTILE_BYTES, "\"v1\"", 10);
    else if (strcmp(path, "/stall") == 0) {
        hostile_say(x->fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: \"v1\"\r\n\r\n0123456789");
        hostile_until_gone(x->fd);
    } else if (strcmp(path, "/416") == 0 && ranged)
        hostile_say(x->fd, "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else if (strcmp(path, "/416") == 0)
        hostile_file(x, bytes, HOSTILE_BYTES, "\"v1\"", x->nth == 1 ? HOSTILE_BYTES / 2 : HOSTILE_BYTES);
    else if (strcmp(path, "/too-short") == 0) { // a length that is less than what the file has
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", HOSTILE_BYTES / 3);
        hostile_say(x->fd, head);
        hostile_send(x->fd, bytes, HOSTILE_BYTES);
    } else if (strncmp(path, "/chunked", 8) == 0) {
        hostile_say(x->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        bool whole = strcmp(path, "/chunked") == 0;
        for (size_t at = 0; at < (whole ? HOSTILE_BYTES : HOSTILE_BYTES / 2); at += 30000) {
            snprintf(head, sizeof head, "%x\r\n", 30000);
            hostile_say(x->fd, head);
            hostile_send(x->fd, bytes + at, 30000);
            hostile_say(x->fd, "\r\n");
        }
        if (whole)
            hostile_say(x->fd, "0\r\n\r\n");
    } else if (strcmp(path, "/until-closed") == 0) { // no length at all
        hostile_say(x->fd, "HTTP/1.0 200 OK\r\n\r\n");
        hostile_send(x->fd, bytes, HOSTILE_BYTES / (x->nth == 1 ? 2 : 1));
    } else if (strcmp(path, "/drip") == 0) {
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", 200);
        for (const char *c = head; *c; c++)
            hostile_send(x->fd, c, 1);
        for (int i = 0; i < 200; i++)
            hostile_send(x->fd, bytes + i, 1);
    } else if (strcmp(path, "/endless") == 0) {
        hostile_say(x->fd, "HTTP/1.0 200 OK\r\n\r\n");
        for (int i = 0; i < 1000; i++)
            hostile_send(x->fd, bytes, HOSTILE_BYTES);
    } else
        return false;
    return true;
}

static inline bool hostile_statuses(struct hostile_exchange *x, const char *path)
{
    char value[256];
    if (strcmp(path, "/429") == 0 && x->nth <= 2)
        hostile_say(x->fd, "HTTP/1.1 429 Wait\r\nRetry-After: 7\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwait");
    else if (strcmp(path, "/429-long") == 0)
        hostile_say(x->fd, "HTTP/1.1 429 Wait\r\nRetry-After: 86400\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else if ((strcmp(path, "/503") == 0 && x->nth == 1) || strcmp(path, "/always-503") == 0)
        hostile_say(x->fd, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else if (strcmp(path, "/gated") == 0 && !hostile_header(x->request, "Authorization", value, sizeof value))
        hostile_say(x->fd, "HTTP/1.1 401 Who\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    else if (strcmp(path, "/html") == 0)
        hostile_say(x->fd,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\nConnection: close\r\n\r\nLogin");
    else if (strcmp(path, "/html-in-disguise") == 0)
        hostile_say(x->fd, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 31\r\nConnection: close\r\n\r\n "
                           "\n<!DOCTYPE html><html>Login</...");
    else if (strcmp(path, "/429") == 0 || strcmp(path, "/503") == 0 || strcmp(path, "/gated") == 0 || strcmp(path, "/whole") == 0)
        hostile_file(x, x->server->body[0], HOSTILE_BYTES, "\"v1\"", HOSTILE_BYTES);
    else
        return false;
    return true;
}

static inline bool hostile_redirects(struct hostile_exchange *x, const char *path)
{
    char to[256];
    if (strcmp(path, "/loop") == 0)
        hostile_redirect(x, "/loop", "");
    else if (strcmp(path, "/elsewhere") == 0) {
        snprintf(to, sizeof to, "http://127.0.0.1:%d/whole?signature=SECRET", x->server->other_port);
        hostile_redirect(x, to, "");
    } else if (strcmp(path, "/near") == 0)
        hostile_redirect(x, "/gated", "");
    else if (strcmp(path, "/to-file") == 0)
        hostile_redirect(x, "file:///etc/passwd", "");
    else if (strcmp(path, "/linked") == 0)
        hostile_redirect(x, "/whole", "X-Linked-ETag: \"0000000000000000000000000000000000000000000000000000000000000000\"\r\n");
    else
        return false;
    return true;
}

/* /rows?…: a set of 250 rows; /rows-grows?…: a row more on each page; /rows-busy?…: 503 on its third request. */
static inline bool hostile_rows(struct hostile_exchange *x)
{
    long offset = 0, length = 0;
    const char *at = strstr(x->path, "offset=");
    if (strncmp(x->path, "/rows", 5) != 0 || !at || sscanf(at, "offset=%ld&length=%ld", &offset, &length) != 2)
        return false;
    if (strncmp(x->path, "/rows-busy", 10) == 0 && offset == 200 && x->server->count <= 3) {
        hostile_say(x->fd, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return true;
    }
    long total = 250 + (strncmp(x->path, "/rows-grows", 11) == 0 ? x->server->count : 0),
         end = offset + length < total ? offset + length : total;
    static const char part[] = "{\"row_idx\": %ld, \"row\": {\"a\": \"%ld\"}, \"truncated_cells\": []}%s";
    char *body = malloc(HOSTILE_BYTES), head[128];
    int n = sprintf(body, "{\n\"rows\": [");
    for (long i = offset; i < end; i++)
        n += sprintf(body + n, part, i, i, i + 1 < end ? ", " : "");
    n += sprintf(body + n, "],\r\n\"num_rows_total\": %ld}", total);
    sprintf(head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", n);
    hostile_say(x->fd, head);
    hostile_send(x->fd, body, (size_t)n);
    free(body);
    return true;
}

/* Files below `root`, honestly. */
static inline bool hostile_root(struct hostile_exchange *x, const char *path)
{
    char name[1024];
    if (!x->server->root || strncmp(path, "/files/", 7) != 0 || strstr(path, ".."))
        return false;
    snprintf(name, sizeof name, "%s/%s", x->server->root, path + 7);
    FILE *stream = fopen(name, "rb");
    if (!stream)
        return false;
    size_t capacity = 1 << 24;
    char *bytes = malloc(capacity);
    size_t n = fread(bytes, 1, capacity, stream);
    fclose(stream);
    hostile_file(x, bytes, n, "\"f\"", n);
    free(bytes);
    return true;
}

static inline void *hostile_answer(void *context)
{
    struct hostile_exchange *x = context;
    size_t n = 0;
    while (n < sizeof x->request - 1 && !strstr(x->request, "\r\n\r\n")) {
        ssize_t got = recv(x->fd, x->request + n, sizeof x->request - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    if (sscanf(x->request, "%*s %511s", x->path) == 1) {
        const char *host = strncmp(x->path, "http://", 7) == 0 ? strchr(x->path + 7, '/') : NULL;
        if (host) // asked as a proxy: what is wanted is here whatever the host
            memmove(x->path, host, strlen(host) + 1);
        char path[512];
        snprintf(path, sizeof path, "%.*s", (int)strcspn(x->path, "?"), x->path);
        pthread_mutex_lock(&x->server->lock);
        if (x->server->count < HOSTILE_MOST)
            memcpy(x->server->requests[x->server->count++], x->request, sizeof x->request);
        for (int i = 0; i < x->server->count; i++) {
            char other[512] = "";
            sscanf(x->server->requests[i], "%*s %511s", other);
            other[strcspn(other, "?")] = '\0';
            const char *slash = strncmp(other, "http://", 7) == 0 ? strchr(other + 7, '/') : NULL;
            if (slash)
                memmove(other, slash, strlen(slash) + 1);
            x->nth += strcmp(other, path) == 0;
        }
        pthread_mutex_unlock(&x->server->lock);
        if (!hostile_changes(x, path) && !hostile_breaks(x, path) && !hostile_statuses(x, path) && !hostile_redirects(x, path) &&
            !hostile_rows(x) && !hostile_root(x, path))
            hostile_say(x->fd, "HTTP/1.1 404 Nothing\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    shutdown(x->fd, SHUT_WR);
    char rest[256]; // closing with unread bytes would reset the connection and take the answer's end with it
    while (recv(x->fd, rest, sizeof rest, 0) > 0)
        ;
    close(x->fd);
    free(x);
    return NULL;
}

static inline void *hostile_accept(void *context)
{
    struct hostile *server = context;
    int fd;
    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        struct hostile_exchange *x = calloc(1, sizeof *x);
        pthread_t thread;
        x->server = server;
        x->fd = fd;
        if (pthread_create(&thread, NULL, hostile_answer, x) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

/* The server lives as long as the process. NULL: no socket could be had. */
static inline struct hostile *hostile_start(const char *root)
{
    struct hostile *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->root = root;
    for (int i = 0; i < HOSTILE_BYTES; i++) {
        server->body[0][i] = (char)('a' + (i * 7 + i / 1000) % 26);
        server->body[1][i] = (char)('A' + (i * 7 + i / 1000) % 26);
    }
    pthread_mutex_init(&server->lock, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, 64) != 0 || getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&server->thread, NULL, hostile_accept, server) != 0)
        return NULL;
    server->port = ntohs(address.sin_port);
    return server;
}

#endif
