/* Sources, and fetching what they name: files, members of archives, pages, models; and reading what lies on disk. */
#include "tests/hostile.h"
#include "tests/support.h"

#include "base/file.h"
#include "base/json.h"
#include "datasets/download.h"
#include "datasets/fetch.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

static struct hostile *server;
static char folder[] = "/tmp/jeoul-test-fetch-XXXXXX", root[128], cache[128], base[64];
static struct fetch_options options;
static struct patience patience;

static void no_wait(void *context, uint64_t ms)
{
    (void)context;
    (void)ms;
}

static void set_up(void)
{
    static const char *const proxies[] = {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"};
    for (int i = 0; i < 6; i++)
        unsetenv(proxies[i]);
    make_test_directory(folder);
    snprintf(root, sizeof root, "%s/served", folder);
    snprintf(cache, sizeof cache, "%s/cache", folder);
    server = hostile_start(root);
    cr_assert_not_null(server);
    snprintf(base, sizeof base, "http://127.0.0.1:%d", server->port);
    patience = (struct patience){.attempts = 3, .stall_s = 2, .first_wait_ms = 1, .wait = no_wait};
    options = (struct fetch_options){.cache = cache, .hub = base, .patience = &patience};
}

static void tear_down(void)
{
    remove_test_directory(folder);
}

TestSuite(fetch, .init = set_up, .fini = tear_down, .timeout = 60);

static void serve(const char *name, const void *bytes, size_t n)
{
    char path[512], directory[512];
    struct error err = {0};
    snprintf(path, sizeof path, "%s/%s", root, name);
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(path, '/') - path), path);
    cr_assert(file_make_directory(directory, &err) && file_write(path, bytes, n, &err), "%s", err.message);
}

static bool is_cached(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", cache, name);
    return access(path, F_OK) == 0;
}

/* A source of the given files; "BASE" in them is the server's address. */
static struct source *source_of(const char *files)
{
    struct error err = {0};
    struct text text = {0};
    text_add_string(
        &text,
        "{\"name\": \"set\", \"licence\": \"MIT\", \"redistributable\": true, \"licence_url\": \"BASE/files/LICENSE\", \"files\": [");
    text_add_string(&text, files);
    text_add_string(&text, "]}");
    struct text filled = {0};
    for (const char *at = text.bytes; *at;) {
        bool is_base = strncmp(at, "BASE", 4) == 0;
        text_add(&filled, is_base ? base : at, is_base ? strlen(base) : 1);
        at += is_base ? 4 : 1;
    }
    cJSON *document = json_parse("set.json", filled.bytes, filled.length, &err);
    cr_assert_not_null(document, "%s", err.message);
    struct source *source = source_parse("set.json", document, &err);
    cr_assert_not_null(source, "%s", err.message);
    text_free(&text);
    text_free(&filled);
    return source;
}

#define UNKNOWN "\"sha256\": null, \"sha256_reason\": \"none\""
static const char lines[] = "{\"a\": \"x\"}\n{\"a\": \"y\"}\n";
static const char one_file[] =
    "{\"path\": \"set/dev.jsonl\", \"split\": \"validation\", \"format\": \"jsonl\", \"url\": \"BASE/files/dev.jsonl\", \"sha256\": "
    "\"33e2f93deb9d04d1bfb9ad9d7d2e9e9bfb4b1a58ae4e3e4ebd5a5f1e7c1c0f6a\"}";

/* one_file with the sum of `lines`. */
static struct source *honest_source(void)
{
    char sum[HASH_HEX], files[512];
    struct error err = {0};
    cr_assert(hash_bytes(lines, sizeof lines - 1, sum, &err));
    snprintf(files, sizeof files, "%s", one_file);
    memcpy(strstr(files, "33e2f93d"), sum, 64);
    return source_of(files);
}

static void expect_records(const struct source *source, const char *split, const struct data_places *places, int count)
{
    struct error err = {0};
    struct source_used used;
    cJSON *records = source_records(source, split, "", places, 0, &used, &err);
    cr_assert_not_null(records, "%s", err.message);
    cr_expect_eq(cJSON_GetArraySize(records), count);
    cJSON_Delete(records);
}

Test(fetch, a_set_and_its_licence)
{
    struct error err = {0};
    struct fetch_summary summary;
    struct source *source = honest_source();
    serve("dev.jsonl", lines, sizeof lines - 1);
    serve("LICENSE", "permission is granted", 21);
    cr_assert(fetch_source(source, &options, &summary, &err), "%s", err.message);
    cr_expect_eq(summary.fetched, 1);
    cr_expect_eq(summary.unchecked, 0);
    cr_expect(is_cached("data/set/dev.jsonl") && is_cached("data/set/LICENSE") && is_cached("data/set/LICENCE.txt"));
    expect_records(source, "validation", &(struct data_places){.cache = cache}, 2);
    struct fetch_state state = fetch_state(source, &(struct data_places){.cache = cache});
    cr_expect(state.present == 1 && state.wanted == 1 && state.bytes == sizeof lines - 1);
    int before = server->count; // what is there isn't asked for again, and --offline is content
    cr_assert(fetch_source(source, &options, &summary, &err), "%s", err.message);
    cr_expect_eq(summary.fetched, 0);
    options.offline = true;
    cr_assert(fetch_source(source, &options, &summary, &err), "%s", err.message);
    cr_expect_eq(server->count, before);
    source_free(source);
}

Test(fetch, a_licence_that_cannot_be_had_is_said)
{
    struct error err = {0};
    struct fetch_summary summary;
    struct source *source = honest_source();
    serve("dev.jsonl", lines, sizeof lines - 1);
    cr_assert(fetch_source(source, &options, &summary, &err), "%s", err.message);
    cr_expect(strstr(summary.notice, "404") && is_cached("data/set/LICENCE.txt"), "%s", summary.notice);
    source_free(source);
}

Test(fetch, offline_never_touches_the_network)
{
    struct error err = {0};
    struct fetch_summary summary;
    struct source *source = honest_source();
    char path[512];
    options.offline = true;
    cr_expect_not(fetch_source(source, &options, &summary, &err));
    cr_expect_eq(err.code, ERROR_INPUT);
    snprintf(path, sizeof path, "%s/data/set/dev.jsonl", cache);
    cr_expect(strstr(err.message, path) && strstr(err.message, "--offline"), "%s", err.message);
    cr_expect_eq(server->count, 0);
    cr_expect_not(is_cached(""), "nothing is made");
    source_free(source);
}

Test(fetch, a_wrong_sum_leaves_nothing_and_a_changed_file_is_not_read)
{
    struct error err = {0};
    struct fetch_summary summary;
    struct source *source = source_of(one_file);
    serve("dev.jsonl", lines, sizeof lines - 1);
    serve("LICENSE", "x", 1);
    cr_expect_not(fetch_source(source, &options, &summary, &err));
    cr_expect(strstr(err.message, "is wanted") != NULL, "%s", err.message);
    cr_expect_not(is_cached("data/set/dev.jsonl"));
    char path[512];
    snprintf(path, sizeof path, "%s/data/set/dev.jsonl", cache);
    cr_assert(file_write(path, lines, sizeof lines - 1, &err));
    cr_expect_null(source_records(source, "validation", "", &(struct data_places){.cache = cache}, 0, NULL, &err));
    cr_expect(strstr(err.message, "it was changed after it was fetched") != NULL, "%s", err.message);
    source_free(source);
}

Test(fetch, what_is_missing_is_said_with_where_it_was_looked_for)
{
    struct error err = {0};
    struct source *source = honest_source();
    cr_expect_null(source_records(source, "validation", "", &(struct data_places){.data = "/nowhere", .cache = cache}, 0, NULL, &err));
    cr_expect_str_eq(err.message, "set: the split validation is not there, looked for /nowhere/set/dev.jsonl; 'jeoul fetch set' gets it");
    cr_expect_null(source_records(source, "train", "x", &(struct data_places){.cache = cache}, 0, NULL, &err));
    cr_expect_str_eq(err.message, "set: has no split \"train\" of x");
    source_free(source);
}

Test(fetch, an_excerpt_and_joined_labels_are_read_from_disk)
{
    struct error err = {0};
    struct source_used used;
    struct source *source = source_of(
        "{\"path\": \"set/all.jsonl\", \"split\": \"test\", \"format\": \"jsonl\", \"url\": \"BASE/x\", " UNKNOWN "},"
        "{\"path\": \"set/some.jsonl\", \"split\": \"test\", \"format\": \"jsonl\", \"url\": null, \"url_reason\": \"an excerpt\", " UNKNOWN
        ", \"note\": \"2 of 9\"},"
        "{\"path\": \"set/some.lst\", \"split\": \"test\", \"format\": \"lines\", \"labels_of\": \"set/some.jsonl\", \"url\": "
        "\"BASE/y\", " UNKNOWN "}");
    serve("set/some.jsonl", lines, sizeof lines - 1);
    serve("set/some.lst", "0\n1\n", 4);
    cJSON *records = source_records(source, "test", "", &(struct data_places){.data = root}, 0, &used, &err);
    cr_assert_not_null(records, "%s", err.message);
    cr_expect_str_eq(used.note, "2 of 9");
    cr_expect_str_eq(json_text(cJSON_GetArrayItem(records, 1), "line"), "1");
    cr_expect_str_eq(json_text(cJSON_GetArrayItem(records, 1), "a"), "y");
    cJSON_Delete(records);
    serve("set/some.lst", "0\n1\n1\n", 6);
    cr_expect_null(source_records(source, "test", "", &(struct data_places){.data = root}, 0, &used, &err));
    cr_expect(strstr(err.message, "has 3 records") != NULL, "%s", err.message);
    source_free(source);
}

Test(fetch, a_mirror_is_a_served_cache)
{
    struct error err = {0};
    struct fetch_summary summary;
    struct source *source = honest_source();
    char mirror[128];
    serve("m/data/set/dev.jsonl", lines, sizeof lines - 1);
    snprintf(mirror, sizeof mirror, "%s/files/m/", base);
    options.mirror = mirror;
    cr_assert(fetch_source(source, &options, &summary, &err), "%s", err.message);
    cr_expect(is_cached("data/set/dev.jsonl"));
    for (int i = 0; i < server->count; i++)
        cr_expect_not_null(strstr(server->requests[i], "GET /files/m/data/set/"));
    source_free(source);
}

Test(fetch, an_archive_is_fetched_once_for_its_members)
{
    static char bytes[65536];
    size_t n = 0;
    struct error err = {0};
    struct fetch_summary summary;
    struct archive *writer = archive_write_new();
    archive_write_set_format_zip(writer);
    cr_assert_eq(archive_write_open_memory(writer, bytes, sizeof bytes, &n), ARCHIVE_OK);
    static const char *const names[] = {"s/dev.jsonl", "s/test.jsonl"};
    for (int i = 0; i < 2; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, names[i]);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_size(entry, (la_int64_t)sizeof lines - 1);
        archive_write_header(writer, entry);
        archive_write_data(writer, lines, sizeof lines - 1);
        archive_entry_free(entry);
    }
    archive_write_close(writer);
    archive_write_free(writer);
    serve("set.zip", bytes, n);
    serve("LICENSE", "x", 1);
#define MEMBER(name, member)                                                                                                               \
    "{\"path\": \"set/" name "\", \"split\": \"" name "\", \"format\": \"jsonl\", \"url\": \"BASE/files/set.zip\", \"member\": \"" member  \
    "\", " UNKNOWN "}"
    struct source *source = source_of(MEMBER("dev", "s/dev.jsonl") "," MEMBER("test", "s/test.jsonl"));
    cr_assert(fetch_source(source, &options, &summary, &err), "%s", err.message);
    cr_expect_eq(server->count, 2, "the licence and the archive");
    expect_records(source, "dev", &(struct data_places){.cache = cache}, 2);
    expect_records(source, "test", &(struct data_places){.cache = cache}, 2);
    source_free(source);
    source = source_of(MEMBER("train", "s/train.jsonl"));
    cr_expect_not(fetch_source(source, &options, &summary, &err));
    cr_expect(strstr(err.message, "has no member \"s/train.jsonl\"; there are 2: s/dev.jsonl, s/test.jsonl") != NULL, "%s", err.message);
    cr_expect_not(is_cached("data/set/train"));
    source_free(source);
}

#define ROWS(name)                                                                                                                         \
    "{\"path\": \"set/rows.jsonl\", \"split\": \"test\", \"format\": \"rows\", \"url\": \"BASE/" name "?dataset=x\", " UNKNOWN "}"

Test(fetch, pages_of_the_rows_api)
{
    struct error err = {0};
    struct fetch_summary summary;
    struct source *source = source_of(ROWS("rows"));
    serve("LICENSE", "x", 1);
    cr_assert(fetch_source(source, &options, &summary, &err), "%s", err.message);
    cr_expect_eq(server->count, 4, "the licence and three pages");
    cr_expect_eq(summary.unchecked, 1);
    expect_records(source, "test", &(struct data_places){.cache = cache}, 250);
    source_free(source);
}

Test(fetch, pages_go_on_where_they_were_interrupted)
{
    struct error err = {0};
    struct fetch_summary summary;
    struct source *source = source_of(ROWS("rows-busy"));
    source->licence_url = NULL;
    patience.attempts = 1;
    cr_expect_not(fetch_source(source, &options, &summary, &err));
    cr_expect_not(is_cached("data/set/rows.jsonl"));
    cr_expect_eq(server->count, 3);
    cr_assert(fetch_source(source, &options, &summary, &err), "%s", err.message);
    cr_expect_eq(server->count, 4);
    expect_records(source, "test", &(struct data_places){.cache = cache}, 250);
    source_free(source);
}

Test(fetch, a_set_that_changes_between_its_pages)
{
    struct error err = {0};
    struct fetch_summary summary;
    struct source *source = source_of(ROWS("rows-grows"));
    source->licence_url = NULL;
    cr_expect_not(fetch_source(source, &options, &summary, &err));
    cr_expect(strstr(err.message, "the set changes") != NULL, "%s", err.message);
    cr_expect_not(is_cached("data/set/rows.jsonl") || is_cached("data/set/rows.jsonl.part"));
    source_free(source);
}

static void expect_model_error(const char *reference, const char *sha256, const char *words)
{
    struct error err = {0};
    struct fetch_summary summary;
    char path[4096];
    cr_expect_not(fetch_model(reference, sha256, &options, path, sizeof path, &summary, &err), "%s", reference);
    cr_expect_eq(err.code, ERROR_INPUT, "%s", err.message);
    cr_expect(strstr(err.message, words) != NULL, "\"%s\" is not in: %s", words, err.message);
}

Test(fetch, a_model_by_url_all_parts_of_it)
{
    struct error err = {0};
    struct fetch_summary summary;
    char url[256], path[4096], wanted[512];
    serve("m/x-00001-of-00002.gguf", "GGUF one", 8);
    serve("m/x-00002-of-00002.gguf", "GGUF two", 8);
    snprintf(url, sizeof url, "%s/files/m/x-00001-of-00002.gguf?signature=SECRET", base);
    cr_assert(fetch_model(url, NULL, &options, path, sizeof path, &summary, &err), "%s", err.message);
    snprintf(wanted, sizeof wanted, "%s/models/127.0.0.1:%d/files/m/x-00001-of-00002.gguf", cache, server->port);
    cr_expect_str_eq(path, wanted);
    cr_expect_eq(summary.fetched, 2);
    cr_expect_not_null(strstr(server->requests[1], "x-00002-of-00002.gguf?signature=SECRET"));
    expect_model_error(url, "00", "--sha256 is of one file");
    snprintf(url, sizeof url, "%s/files/m/x.bin", base);
    expect_model_error(url, NULL, "the address of a GGUF file");
    serve("m/pointer.gguf", "version https://git-lfs.github.com/spec/v1\n", 43);
    snprintf(url, sizeof url, "%s/files/m/pointer.gguf", base);
    expect_model_error(url, NULL, "\"GGUF\" is wanted");
}

Test(fetch, a_model_by_the_name_of_its_repository)
{
    struct error err = {0};
    struct fetch_summary summary;
    char path[4096], wanted[512], endpoint[128];
    static const char list[] =
        "[{\"type\": \"file\", \"path\": \"README.md\", \"size\": 1}, {\"type\": \"file\", \"path\": \"x-Q8_0.gguf\"}, "
        "{\"type\": \"file\", \"path\": \"x-Q4_K_M.gguf\"}]";
    snprintf(endpoint, sizeof endpoint, "%s/files", base);
    options.hub = endpoint;
    serve("api/models/own/repo/tree/main", list, sizeof list - 1);
    serve("own/repo/resolve/main/x-Q4_K_M.gguf", "GGUF", 4);
    cr_assert(fetch_model("own/repo:q4_k_m", NULL, &options, path, sizeof path, &summary, &err), "%s", err.message);
    snprintf(wanted, sizeof wanted, "%s/models/own/repo/x-Q4_K_M.gguf", cache);
    cr_expect_str_eq(path, wanted);
    expect_model_error("own/repo", NULL, "2 GGUF files fit; name one of them as own/repo:FILE: x-Q8_0.gguf, x-Q4_K_M.gguf");
    expect_model_error("own/repo:q5", NULL, "0 GGUF files fit q5");
    expect_model_error("own", NULL, "is no model");
    expect_model_error("own/../repo", NULL, "is no model");
    expect_model_error("own/..:x.gguf", NULL, "is no model");
    expect_model_error("own/repo:../../x.gguf", NULL, "is no name of a GGUF file");
    options.offline = true;
    int before = server->count;
    cr_assert(fetch_model("own/repo:x-Q4_K_M.gguf", NULL, &options, path, sizeof path, &summary, &err), "%s", err.message);
    expect_model_error("own/repo:y.gguf", NULL, "--offline, and it is not in the cache: looked for");
    cr_expect_eq(server->count, before);
    char zeros[65];
    memset(zeros, '0', 64);
    zeros[64] = '\0';
    expect_model_error("own/repo:x-Q4_K_M.gguf", zeros, "has the sha256");
}

static void expect_bad_source(const char *text, const char *words)
{
    struct error err = {0};
    cJSON *document = json_parse("set.json", text, strlen(text), &err);
    cr_assert_not_null(document, "%s", err.message);
    cr_expect_null(source_parse("set.json", document, &err), "%s", text);
    cr_expect_eq(err.code, ERROR_INPUT);
    cr_expect(strncmp(err.message, "set.json: ", 10) == 0 && strstr(err.message, words), "\"%s\" is not in: %s", words, err.message);
}

Test(sources, bad_ones_are_named_by_their_place)
{
#define SOURCE(file) "{\"name\": \"s\", \"licence\": \"MIT\", \"files\": [" file "]}"
    expect_bad_source("{\"licence\": \"MIT\"}", "name: is missing");
    expect_bad_source("{\"name\": \"../s\", \"licence\": \"MIT\", \"files\": [{}]}", "is no file name");
    expect_bad_source(SOURCE(""), "files: 0 files");
    expect_bad_source(SOURCE("{}"), "files[0].path: is missing");
    expect_bad_source(SOURCE("{\"path\": \"a/../../b\", \"format\": \"json\", \"url\": \"http://x/\", " UNKNOWN "}"),
                      "leads out of the data");
    expect_bad_source(SOURCE("{\"path\": \"/b\", \"format\": \"json\", \"url\": \"http://x/\", " UNKNOWN "}"), "leads out of the data");
    expect_bad_source(SOURCE("{\"path\": \"b\", \"format\": \"xml\", \"url\": \"http://x/\", " UNKNOWN "}"), "\"xml\" is no format");
    expect_bad_source(SOURCE("{\"path\": \"b\", \"format\": \"json\", \"url\": \"ftp://x/\", " UNKNOWN "}"),
                      "neither http:// nor https://");
    expect_bad_source(SOURCE("{\"path\": \"b\", \"format\": \"json\", \"url\": null, " UNKNOWN "}"), "no \"url_reason\"");
    expect_bad_source(SOURCE("{\"path\": \"b\", \"format\": \"json\", \"url\": \"http://x/\"}"), "no \"sha256_reason\"");
    expect_bad_source(SOURCE("{\"path\": \"b\", \"format\": \"json\", \"url\": \"http://x/\", \"sha256\": \"12\"}"), "is no sha256");
    expect_bad_source(SOURCE("{\"path\": \"b\", \"formt\": \"json\"}"), "did you mean \"format\"");
}

Test(sources, all_that_are_shipped_can_be_read)
{
    struct error err = {0};
    cJSON *names = source_names("datasets/sources", &err);
    cr_assert_not_null(names, "%s", err.message);
    cr_expect_gt(cJSON_GetArraySize(names), 25);
    const cJSON *name;
    cJSON_ArrayForEach(name, names) {
        struct source *source = source_read("datasets/sources", name->valuestring, &err);
        cr_expect_not_null(source, "%s", err.message);
        source_free(source);
    }
    cJSON_Delete(names);
    cr_expect_null(source_read("datasets/sources", "hellaswga", &err));
    cr_expect(strstr(err.message, "there is no set \"hellaswga\"; there are: arc,") != NULL, "%s", err.message);
    cr_expect_null(source_read("datasets/sources", "../tasks/hellaswag", &err));
}

/* Every file that a source knows and that the shared sets have is read, and is the one whose sum is known. */
Test(sources, the_shared_sets_are_read)
{
    NEEDS_SHARED("evalsets/README.md");
    char data[4096];
    snprintf(data, sizeof data, "%s", shared_path("evalsets"));
    struct error err = {0};
    cJSON *names = source_names("datasets/sources", &err);
    const cJSON *name;
    int read = 0;
    cJSON_ArrayForEach(name, names) {
        struct source *source = source_read("datasets/sources", name->valuestring, &err);
        cr_assert_not_null(source, "%s", err.message);
        for (int i = 0; i < source->n_files; i++) {
            const struct source_file *file = &source->files[i];
            struct source_used used;
            char path[8192];
            snprintf(path, sizeof path, "%s/%s", data, file->path);
            if (file->labels_of || access(path, F_OK) != 0)
                continue;
            cJSON *records = source_records(source, file->split, file->subset, &(struct data_places){.data = data}, 0, &used, &err);
            cr_expect_not_null(records, "%s", err.message);
            if (file->sha256)
                cr_expect_str_eq(used.sha256, file->sha256, "%s", path);
            read++;
            cJSON_Delete(records);
        }
        source_free(source);
    }
    cJSON_Delete(names);
    cr_expect_gt(read, 150);
}
