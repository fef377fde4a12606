/* Downloads from a server that behaves badly: the file is there and right, or there is one clear error and no file. */
#include "tests/hostile.h"
#include "tests/support.h"

#include "base/http.h"
#include "datasets/download.h"

#include <dirent.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct hostile *server;
static char folder[] = "/tmp/jeoul-test-download-XXXXXX", path[256], url[512], sums[2][HASH_HEX];
static uint64_t waited[64];
static int waits;

static void note_wait(void *context, uint64_t ms)
{
    (void)context;
    if (waits < 64)
        waited[waits++] = ms;
}

static void set_up(void)
{
    static const char *const proxies[] = {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"};
    struct error err = {0};
    for (int i = 0; i < 6; i++)
        unsetenv(proxies[i]);
    server = hostile_start(NULL);
    cr_assert_not_null(server);
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/set/file.jsonl", folder);
    for (int i = 0; i < 2; i++)
        cr_assert(hash_bytes(server->body[i], HOSTILE_BYTES, sums[i], &err));
}

static int files_left(const char *directory, bool removing)
{
    DIR *stream = opendir(directory);
    int count = 0;
    const struct dirent *entry;
    while (stream && (entry = readdir(stream)))
        if (entry->d_name[0] != '.') {
            char name[1024];
            snprintf(name, sizeof name, "%s/%s", directory, entry->d_name);
            count++;
            if (removing)
                unlink(name);
        }
    if (stream)
        closedir(stream);
    return count;
}

static void tear_down(void)
{
    char set[256];
    snprintf(set, sizeof set, "%s/set", folder);
    files_left(set, true);
    rmdir(set);
    rmdir(folder);
}

TestSuite(download, .init = set_up, .fini = tear_down, .timeout = 60);

static struct download_request request_of(const char *what)
{
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server->port, what);
    return (struct download_request){.url = url,
                                     .path = path,
                                     .bytes = -1,
                                     .limit_bytes = 1 << 30,
                                     .patience = {.attempts = 4, .stall_s = 1, .first_wait_ms = 3, .wait = note_wait}};
}

static void expect_file(const struct download_request *request, int which)
{
    struct error err = {0};
    struct download_result result;
    char sum[HASH_HEX], set[256];
    cr_assert(download_file(request, &result, &err), "%s", err.message);
    cr_assert(hash_file(path, sum, &err), "%s", err.message);
    cr_expect_str_eq(sum, sums[which]);
    cr_expect_str_eq(result.sha256, sums[which]);
    cr_expect_eq(result.bytes, HOSTILE_BYTES);
    snprintf(set, sizeof set, "%s/set", folder);
    cr_expect_eq(files_left(set, false), 1, "only the file itself is left");
}

/* One error with these words, and nothing under the final name; `kept`: what came so far is kept to be continued. */
static void expect_error(const struct download_request *request, enum error_code code, const char *words, bool kept)
{
    struct error err = {0};
    struct download_result result;
    char set[256];
    cr_expect_not(download_file(request, &result, &err));
    cr_expect_eq(err.code, code, "code %d: %s", (int)err.code, err.message);
    cr_expect(strstr(err.message, words) != NULL, "\"%s\" is not in: %s", words, err.message);
    cr_expect_neq(access(path, F_OK), 0, "a file is left");
    snprintf(set, sizeof set, "%s/set", folder);
    if (kept)
        cr_expect_gt(files_left(set, false), 0);
    else
        cr_expect_eq(files_left(set, false), 0);
}

Test(download, a_whole_file)
{
    struct download_request request = request_of("/whole");
    request.sha256 = sums[0];
    request.bytes = HOSTILE_BYTES;
    expect_file(&request, 0);
    cr_expect_eq(server->count, 1);
}

Test(download, a_cut_file_is_continued_where_it_was_cut)
{
    struct download_request request = request_of("/cut");
    char value[128];
    expect_file(&request, 0);
    cr_expect_eq(server->count, 2);
    cr_assert_not_null(hostile_header(server->requests[1], "Range", value, sizeof value));
    cr_expect_str_eq(value, "bytes=150000-");
    cr_assert_not_null(hostile_header(server->requests[1], "If-Range", value, sizeof value));
    cr_expect_str_eq(value, "\"v1\"");
    cr_expect_eq(waits, 1);
    cr_expect_eq(waited[0], 3);
}

Test(download, a_later_call_continues_an_earlier_one)
{
    struct download_request request = request_of("/cut");
    char value[128];
    request.patience.attempts = 1;
    expect_error(&request, ERROR_MACHINE, "ended before all had come", true);
    request.patience.attempts = 4;
    expect_file(&request, 0);
    cr_assert_not_null(hostile_header(server->requests[1], "Range", value, sizeof value));
    cr_expect_str_eq(value, "bytes=150000-");
}

Test(download, what_came_from_another_address_is_not_continued)
{
    char value[128];
    struct download_request request = request_of("/cut");
    request.patience.attempts = 1;
    expect_error(&request, ERROR_MACHINE, "ended before all had come", true);
    request = request_of("/whole");
    expect_file(&request, 0);
    cr_expect_null(hostile_header(server->requests[1], "Range", value, sizeof value));
}

Test(download, a_file_that_is_always_cut_is_given_up)
{
    struct download_request request = request_of("/always-cut");
    expect_error(&request, ERROR_MACHINE, "given up after 4 attempts: http://127.0.0.1", true);
    cr_expect_eq(server->count, 4);
    cr_expect_eq(waits, 3);
    cr_expect_eq(waited[2], 12, "each wait is twice the one before");
}

Test(download, a_file_that_changed_is_fetched_anew)
{
    struct download_request request = request_of("/changed");
    expect_file(&request, 1);
}

Test(download, a_range_of_another_file_is_not_taken)
{
    struct download_request request = request_of("/lies");
    expect_file(&request, 1);
}

Test(download, a_sum_that_is_wrong_after_a_continuation_gives_one_more_chance)
{
    struct download_request request = request_of("/same-tag");
    request.sha256 = sums[1];
    expect_file(&request, 1);
    cr_expect_eq(server->count, 3);
}

Test(download, a_file_that_never_stays_the_same)
{
    struct download_request request = request_of("/never-the-same");
    request.patience.attempts = 50;
    expect_error(&request, ERROR_INPUT, "changes while it is downloaded", false);
}

Test(download, wrong_sums_and_sizes)
{
    struct download_request request = request_of("/whole");
    request.sha256 = sums[1];
    expect_error(&request, ERROR_INPUT, "has the sha256", false);
    cr_expect_eq(server->count, 1, "a wrong sum of one answer isn't tried again");
    request.sha256 = NULL;
    request.bytes = 1234;
    expect_error(&request, ERROR_INPUT, "the server has 300000 bytes, 1234 are wanted", false);
    request.bytes = -1;
    request.limit_bytes = 1000;
    expect_error(&request, ERROR_INPUT, "300000 bytes, more than the 1000 allowed here", false);
    request = request_of("/too-short");
    request.bytes = HOSTILE_BYTES;
    expect_error(&request, ERROR_INPUT, "the server has 100000 bytes, 300000 are wanted", false);
    request.bytes = -1;
    request.sha256 = sums[0];
    expect_error(&request, ERROR_INPUT, "has the sha256", false);
}

Test(download, a_body_without_end_is_stopped_at_the_limit)
{
    struct download_request request = request_of("/endless");
    request.limit_bytes = 1000000;
    expect_error(&request, ERROR_INPUT, "more than the 1000000 allowed here", false);
}

Test(download, a_sum_that_the_server_names_is_checked)
{
    struct download_request request = request_of("/linked");
    expect_error(&request, ERROR_INPUT, "0000000000 is wanted", false);
}

Test(download, web_pages_are_not_data)
{
    struct download_request request = request_of("/html");
    expect_error(&request, ERROR_INPUT, "a web page (HTML)", false);
    request = request_of("/html-in-disguise");
    expect_error(&request, ERROR_INPUT, "a web page (HTML)", false);
}

Test(download, bytes_that_no_such_file_begins_with)
{
    struct download_request request = request_of("/whole");
    request.begins_with = "GGUF";
    expect_error(&request, ERROR_INPUT, "\"GGUF\" is wanted", false);
}

Test(download, redirects)
{
    struct download_request request = request_of("/loop");
    expect_error(&request, ERROR_INPUT, "more than 10 redirects", true);
    cr_expect_eq(server->count, 11);
    request = request_of("/to-file");
    expect_error(&request, ERROR_INPUT, "only http and https are followed", true);
    request = request_of("/whole");
    request.url = "file:///etc/passwd";
    expect_error(&request, ERROR_INPUT, "http:// or https:// is wanted", true);
}

Test(download, a_token_goes_to_its_own_host_alone)
{
    struct hostile *other = hostile_start(NULL);
    struct download_request request = request_of("/near");
    char origin[128], value[128];
    snprintf(origin, sizeof origin, "http://127.0.0.1:%d", server->port);
    request.token = "hf_secret";
    request.token_origin = origin;
    expect_file(&request, 0); // /near redirects to /gated on the same host
    cr_expect_not_null(hostile_header(server->requests[1], "Authorization", value, sizeof value));
    cr_expect_str_eq(value, "Bearer hf_secret");
    unlink(path);
    server->other_port = other->port;
    request = request_of("/elsewhere");
    request.token = "hf_secret";
    request.token_origin = origin;
    expect_file(&request, 0);
    cr_assert_eq(other->count, 1);
    cr_expect_null(hostile_header(other->requests[0], "Authorization", value, sizeof value));
    cr_expect_null(strstr(other->requests[0], "hf_secret"));
}

Test(download, no_message_shows_a_token_or_a_signed_address)
{
    struct error err = {0};
    struct download_result result;
    struct download_request request = request_of("/gated?signature=SECRET");
    cr_expect_not(download_file(&request, &result, &err));
    cr_expect(strstr(err.message, "HF_TOKEN") && !strstr(err.message, "SECRET"), "%s", err.message);
    char origin[128];
    request = request_of("/nothing");
    snprintf(origin, sizeof origin, "http://127.0.0.1:%d", server->port);
    request.token = "hf_secret";
    request.token_origin = origin;
    err = (struct error){0};
    cr_expect_not(download_file(&request, &result, &err));
    cr_expect(strstr(err.message, "404") && !strstr(err.message, "hf_secret"), "%s", err.message);
    char shown[128];
    cr_expect_str_eq(http_shown("https://me:word@host/a/b?key=1#x", shown, sizeof shown), "https://host/a/b");
}

Test(download, a_server_that_stalls)
{
    struct download_request request = request_of("/stall");
    request.patience.attempts = 1;
    expect_error(&request, ERROR_MACHINE, "the server stalls: nothing came for 1 s", true);
}

Test(download, a_range_that_is_refused_starts_over)
{
    struct download_request request = request_of("/416");
    expect_file(&request, 0);
    cr_expect_eq(server->count, 3);
}

Test(download, a_busy_server_is_asked_again_when_it_says)
{
    struct download_request request = request_of("/429");
    expect_file(&request, 0);
    cr_expect_eq(waits, 2);
    cr_expect_eq(waited[0], 7000);
    cr_expect_eq(waited[1], 7000);
    unlink(path);
    request = request_of("/503");
    expect_file(&request, 0);
    request = request_of("/429-long");
    unlink(path);
    expect_error(&request, ERROR_MACHINE, "asks to wait 86400 s", true);
    request = request_of("/always-503");
    expect_error(&request, ERROR_MACHINE, "given up after 4 attempts: http://127.0.0.1", true);
}

Test(download, bodies_without_a_length)
{
    struct download_request request = request_of("/chunked");
    expect_file(&request, 0);
    unlink(path);
    request = request_of("/chunked-cut");
    expect_error(&request, ERROR_MACHINE, "given up after 4 attempts", true);
    request = request_of("/until-closed"); // cut, and nothing in the answer tells: the known size does
    request.bytes = HOSTILE_BYTES;
    expect_error(&request, ERROR_INPUT, "150000 bytes came, 300000 are wanted", false);
    expect_file(&request, 0);
}

Test(download, slow_is_not_stalled)
{
    struct error err = {0};
    struct download_result result;
    struct download_request request = request_of("/drip");
    cr_assert(download_file(&request, &result, &err), "%s", err.message);
    cr_expect_eq(result.bytes, 200);
}

Test(download, a_full_disk_keeps_what_came)
{
    struct rlimit limit = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY};
    struct download_request request = request_of("/whole");
    char value[128];
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_error(&request, ERROR_MACHINE, "the disk is full at byte 100000", true);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_file(&request, 0);
    cr_assert_not_null(hostile_header(server->requests[1], "Range", value, sizeof value));
    cr_expect_str_eq(value, "bytes=100000-");
}

Test(download, two_at_once_do_not_write_one_file)
{
    struct download_request request = request_of("/whole");
    char set[256], part[300];
    snprintf(set, sizeof set, "%s/set", folder);
    snprintf(part, sizeof part, "%s.part", path);
    mkdir(set, 0777);
    FILE *other = fopen(part, "w");
    cr_assert_eq(flock(fileno(other), LOCK_EX), 0);
    expect_error(&request, ERROR_INPUT, "another fetch is writing it", true);
    cr_expect_eq(server->count, 0);
    fclose(other);
    expect_file(&request, 0);
}

Test(download, a_place_that_cannot_be_written)
{
    struct download_request request = request_of("/whole");
    request.path = "/proc/nothing/file";
    struct error err = {0};
    struct download_result result;
    cr_expect_not(download_file(&request, &result, &err));
    cr_expect(strstr(err.message, "/proc/nothing") != NULL, "%s", err.message);
    request = request_of("/whole");
    snprintf(url, sizeof url, "http://127.0.0.1:1/x"); // nobody listens there
    expect_error(&request, ERROR_MACHINE, "cannot be reached", true);
}

/* A proxy on loopback, and a host that no name server knows. */
Test(download, proxies_of_the_environment_are_asked)
{
    char proxy[64], value[128];
    struct download_request request = request_of("/whole");
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", server->port);
    setenv("http_proxy", proxy, 1);
    setenv("https_proxy", proxy, 1);
    request.url = "http://sets.invalid/whole";
    expect_file(&request, 0);
    cr_expect(strncmp(server->requests[0], "GET http://sets.invalid/whole ", 30) == 0, "%.60s", server->requests[0]);
    unlink(path);
    request.url = "https://sets.invalid/whole";
    request.patience.attempts = 1;
    expect_error(&request, ERROR_MACHINE, "CONNECT", true); // this proxy has no tunnel
    cr_expect(strncmp(server->requests[1], "CONNECT sets.invalid:443 ", 25) == 0, "%.60s", server->requests[1]);
    setenv("no_proxy", "127.0.0.1", 1);
    request = request_of("/whole");
    expect_file(&request, 0);
    cr_expect(strncmp(server->requests[2], "GET /whole ", 11) == 0 && hostile_header(server->requests[2], "Host", value, sizeof value),
              "%.60s", server->requests[2]);
}
