/* What every request by libcurl has in common, for the files that make requests; http.h is enough for all others. */
#ifndef JEOUL_BASE_HTTP_CURL_H
#define JEOUL_BASE_HTTP_CURL_H

#include "base/http.h"

#include <curl/curl.h>

/* Once in a process; may be called again, from any thread. */
void http_start(void);

/* Address, protocols, user agent, stalls; `reason` receives libcurl's own words. Redirects are not followed: whoever asks judges them. */
void http_set_common(CURL *curl, const char *url, long stall_s, char reason[CURL_ERROR_SIZE]);

/* Appends "Authorization: Bearer …" to the list when `token` isn't NULL and `url` is of `origin`. */
bool http_add_token(struct curl_slist **list, const char *url, const char *origin, const char *token, struct error *err) MUST_CHECK;

/* How a transfer ended: HTTP_DONE, or HTTP_TEMPORARY and HTTP_FATAL with err. `shown` is the address for people. */
enum http_end http_judge(CURLcode code, const char *reason, const char *shown, long stall_s, struct error *err) MUST_CHECK;

bool http_is_redirect(long status);

/* Whether `to` may be followed from `from`: http and https only, never from https to http. */
bool http_hop_allowed(const char *from, const char *to, struct error *err) MUST_CHECK;

#endif
