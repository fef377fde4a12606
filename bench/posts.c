/* Many requests to one server: see posts.h. A slot carries one request from its first attempt to its answer, waiting between attempts
 * included, so that a server in trouble is asked less and not more. When it answers 429 or names a time, nothing new is sent before. */
#include "bench/posts.h"

#include "base/clock.h"
#include "base/http_curl.h"
#include "base/memory.h"
#include "bench/endpoint_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum slot_state { SLOT_FREE, SLOT_WAITING, SLOT_RUNNING };

struct slot {
    CURL *curl;
    const struct posts_work *work;
    struct curl_slist *headers;
    enum slot_state state;
    size_t i;
    struct text body, answer;
    int failed, hops; // attempts that failed; redirects followed
    uint64_t due_ns;  // WAITING
    char *url;        // where it was redirected to; NULL: the place's
    bool too_large;
    char reason[CURL_ERROR_SIZE];
};

struct posts {
    const struct posts_place *place;
    const struct posts_work *work;
    struct slot *slots; // [n_slots]
    int n_slots, n_running;
    size_t next;         // request that no slot has had
    uint64_t hold_ns;    // nothing is sent before
    uint64_t skipped_ns; // that a test's clock didn't really wait
    size_t failed;
    CURLM *multi;
    struct error *err;
};

static uint64_t now_ns(const struct posts *p)
{
    return clock_ns() + p->skipped_ns;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct slot *slot = context;
    size_t n = size * count;
    slot->too_large = slot->answer.length + n > POSTS_MAX_BYTES;
    if (slot->too_large)
        return 0;
    if (slot->work->arrived)
        slot->work->arrived(slot->work->context, slot->i, bytes, n);
    text_add(&slot->answer, bytes, n);
    return slot->answer.failed ? 0 : n;
}

static bool fail(struct posts *p, const struct slot *slot)
{
    p->failed = slot->i;
    return false;
}

/* --- sending -----------------------------------------------------------------------------------------------------------------------------
 */

static bool set_headers(struct posts *p, struct slot *slot, const char *url)
{
    static const char *const always[] = {"Accept: application/json", "Content-Type: application/json", "Expect:"};
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    for (int i = 0; i < 3; i++) {
        struct curl_slist *longer = curl_slist_append(slot->headers, always[i]);
        if (!longer)
            return error_set(p->err, ERROR_MACHINE, "out of memory for a request");
        slot->headers = longer;
    }
    return http_add_token(&slot->headers, url, p->place->origin, p->place->key, p->err);
}

static bool start(struct posts *p, struct slot *slot)
{
    const char *url = slot->url ? slot->url : p->place->url;
    long stall_s = patience_stall_s(&p->place->patience);
    CURL *curl = slot->curl;
    text_clear(&slot->answer);
    slot->too_large = false;
    slot->reason[0] = '\0';
    curl_easy_reset(curl); // keeps the connection
    if (!set_headers(p, slot, url))
        return false;
    http_set_common(curl, url, stall_s, slot->reason);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, stall_s < 30 ? stall_s : 30L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, slot->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, slot);
    if (p->work->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, slot->body.bytes);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)slot->body.length);
    }
    if (curl_multi_add_handle(p->multi, curl) != CURLM_OK)
        return error_set(p->err, ERROR_MACHINE, "out of memory for a request");
    slot->state = SLOT_RUNNING;
    p->n_running++;
    if (p->work->sent)
        p->work->sent(p->work->context, slot->i);
    return true;
}

static bool take_next(struct posts *p, struct slot *slot)
{
    slot->i = p->next++;
    slot->failed = slot->hops = 0;
    free(slot->url);
    slot->url = NULL;
    text_clear(&slot->body);
    return (!p->work->body || (p->work->body(p->work->context, slot->i, &slot->body, p->err) && text_ok(&slot->body, p->err))) &&
           start(p, slot);
}

/* Starts what may be started; *due_ns is when the next one may. False on failure. */
static bool start_all(struct posts *p, uint64_t *due_ns)
{
    *due_ns = UINT64_MAX;
    for (int k = 0; k < p->n_slots; k++) {
        struct slot *slot = &p->slots[k];
        if (slot->state == SLOT_RUNNING || (slot->state == SLOT_FREE && p->next == p->work->n))
            continue;
        uint64_t due = slot->state == SLOT_WAITING && slot->due_ns > p->hold_ns ? slot->due_ns : p->hold_ns;
        if (due > now_ns(p))
            *due_ns = due < *due_ns ? due : *due_ns;
        else if (!(slot->state == SLOT_FREE ? take_next(p, slot) : start(p, slot)))
            return fail(p, slot);
    }
    return true;
}

/* --- answers -----------------------------------------------------------------------------------------------------------------------------
 */

/* With the reason in err: waits for another attempt, or fails. */
static bool again(struct posts *p, struct slot *slot, int64_t retry_after_s)
{
    uint64_t ms;
    if (!patience_next(&p->place->patience, ++slot->failed, retry_after_s, &ms, p->err))
        return fail(p, slot);
    *p->err = (struct error){0};
    slot->state = SLOT_WAITING;
    slot->due_ns = now_ns(p) + ms * 1000000;
    if (retry_after_s > 0 && slot->due_ns > p->hold_ns)
        p->hold_ns = slot->due_ns;
    return true;
}

static bool redirected(struct posts *p, struct slot *slot, const char *from, long status)
{
    char *to = NULL, a[512], b[512], origin[512];
    curl_easy_getinfo(slot->curl, CURLINFO_REDIRECT_URL, &to);
    http_shown(from, a, sizeof a);
    http_shown(to ? to : "", b, sizeof b);
    if (!to)
        return error_set(p->err, ERROR_INPUT, "%s: redirects to nowhere", a);
    if (!http_hop_allowed(from, to, p->err))
        return false;
    if (slot->hops++ == POSTS_MAX_REDIRECTS)
        return error_set(p->err, ERROR_INPUT, "%s: more than %d redirects, the last one to %s: a loop?", a, POSTS_MAX_REDIRECTS, b);
    bool same_method = status == 307 || status == 308 || !p->work->body;
    if (!same_method || !http_origin(to, origin, sizeof origin) || strcmp(origin, p->place->origin) != 0)
        return error_set(p->err, ERROR_INPUT, "%s: redirects (%ld) to %s; if that is the endpoint, name it in %s", a, status, b,
                         p->place->url_name);
    char *copy = strdup(to);
    if (!copy)
        return error_set(p->err, ERROR_MACHINE, "out of memory for an address");
    free(slot->url);
    slot->url = copy;
    return true;
}

static bool is_trouble(const struct posts *p, long status)
{
    return status == 408 || status == 425 || status == 429 || (status > 501 && status <= 599) || (status == 500 && !p->place->probing);
}

static bool answered(struct posts *p, struct slot *slot, const char *shown)
{
    long status = 0;
    const char *type = NULL;
    curl_off_t wait = 0;
    curl_easy_getinfo(slot->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(slot->curl, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(slot->curl, CURLINFO_RETRY_AFTER, &wait);
    if (http_is_redirect(status)) {
        const char *from = slot->url ? slot->url : p->place->url;
        return (redirected(p, slot, from, status) && start(p, slot)) || fail(p, slot);
    }
    if (is_trouble(p, status)) {
        char words[300];
        server_words(&slot->answer, words, sizeof words);
        error_set(p->err, ERROR_MACHINE, "%s: the server answers %ld (%s)", shown, status,
                  words[0]        ? words
                  : status == 429 ? "too many requests"
                                  : "it is in trouble");
        return again(p, slot, wait);
    }
    if (status == 401 || status == 403) {
        error_set(p->err, ERROR_INPUT, "%s: the server answers %ld: it wants %s key in the environment variable JEOUL_API_KEY", shown,
                  status, p->place->key ? "another" : "a");
        return fail(p, slot);
    }
    if (status == 200 && type && strncmp(type, "text/html", 9) == 0) {
        error_set(p->err, ERROR_INPUT, "%s: the server sent a web page (HTML): a login, a portal, or no OpenAI-compatible server", shown);
        return fail(p, slot);
    }
    text_add(&slot->answer, "", 0); // never without bytes
    if (!text_ok(&slot->answer, p->err))
        return fail(p, slot);
    struct posts_answer answer = {status, &slot->answer, shown};
    switch (p->work->take(p->work->context, slot->i, &answer, p->err)) {
    case POSTS_TAKEN:
        slot->state = SLOT_FREE;
        return true;
    case POSTS_AGAIN:
        return again(p, slot, 0);
    default:
        return fail(p, slot);
    }
}

static bool ended(struct posts *p, struct slot *slot, CURLcode code)
{
    char shown[512];
    http_shown(slot->url ? slot->url : p->place->url, shown, sizeof shown);
    curl_multi_remove_handle(p->multi, slot->curl);
    p->n_running--;
    if (slot->too_large) {
        error_set(p->err, ERROR_INPUT, "%s: an answer of more than %d MiB", shown, POSTS_MAX_BYTES >> 20);
        return fail(p, slot);
    }
    switch (http_judge(code, slot->reason, shown, patience_stall_s(&p->place->patience), p->err)) {
    case HTTP_DONE:
        return answered(p, slot, shown);
    case HTTP_TEMPORARY:
        return again(p, slot, 0);
    default:
        return fail(p, slot);
    }
}

static bool read_all(struct posts *p)
{
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(p->multi, &left))) {
        char *slot = NULL;
        CURLcode code = message->data.result; // the message doesn't outlive the handle's removal
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        if (!ended(p, (struct slot *)(void *)slot, code))
            return false;
    }
    return true;
}

/* --- the loop ----------------------------------------------------------------------------------------------------------------------------
 */

static bool idle(const struct posts *p)
{
    if (p->next < p->work->n)
        return false;
    for (int k = 0; k < p->n_slots; k++)
        if (p->slots[k].state != SLOT_FREE)
            return false;
    return true;
}

static uint64_t ms_until(const struct posts *p, uint64_t due_ns)
{
    uint64_t now = now_ns(p);
    return due_ns > now ? (due_ns - now + 999999) / 1000000 : 0;
}

/* Until something comes, or the next attempt is due. */
static void wait_for_something(struct posts *p, uint64_t due_ns)
{
    uint64_t ms = ms_until(p, due_ns);
    if (p->n_running)
        (void)curl_multi_poll(p->multi, NULL, 0, ms < 1000 ? (int)ms : 1000, NULL);
    else if (due_ns != UINT64_MAX) {
        patience_pause(&p->place->patience, ms);
        p->skipped_ns += p->place->patience.wait ? ms * 1000000 : 0;
    }
}

static bool run(struct posts *p)
{
    while (!idle(p)) {
        uint64_t due_ns;
        int running;
        if (!start_all(p, &due_ns))
            return false;
        wait_for_something(p, due_ns);
        if (curl_multi_perform(p->multi, &running) != CURLM_OK)
            return error_set(p->err, ERROR_MACHINE, "libcurl can't go on with its transfers");
        if (!read_all(p))
            return false;
    }
    return true;
}

static bool open_slots(struct posts *p)
{
    int most = p->place->parallel > 0 ? p->place->parallel : 1;
    p->n_slots = p->work->n < (size_t)most ? (int)p->work->n : most;
    p->slots = memory_array((size_t)p->n_slots, sizeof *p->slots, "requests", p->err);
    p->multi = curl_multi_init();
    if (!p->slots)
        return false;
    for (int k = 0; p->multi && k < p->n_slots; k++) {
        p->slots[k].work = p->work;
        if (!(p->slots[k].curl = curl_easy_init()))
            return error_set(p->err, ERROR_MACHINE, "out of memory for requests");
    }
    return p->multi || error_set(p->err, ERROR_MACHINE, "out of memory for requests");
}

bool posts_run(const struct posts_place *place, const struct posts_work *work, size_t *failed, struct error *err)
{
    struct error own = {0};
    struct posts p = {.place = place, .work = work, .err = err ? err : &own};
    http_start();
    bool ok = open_slots(&p) && run(&p);
    for (int k = 0; p.slots && k < p.n_slots; k++) {
        struct slot *slot = &p.slots[k];
        if (slot->state == SLOT_RUNNING)
            curl_multi_remove_handle(p.multi, slot->curl);
        curl_easy_cleanup(slot->curl);
        curl_slist_free_all(slot->headers);
        text_free(&slot->body);
        text_free(&slot->answer);
        free(slot->url);
    }
    curl_multi_cleanup(p.multi);
    free(p.slots);
    if (failed)
        *failed = p.failed;
    return ok;
}
