/* SHA-256: see hash.h. */
#include "base/hash.h"

#include <openssl/evp.h>
#include <stdio.h>

static void to_hex(const unsigned char digest[32], char hex[HASH_HEX])
{
    for (int i = 0; i < 32; i++)
        snprintf(hex + (size_t)i * 2, 3, "%02x", digest[i]);
}

bool hash_bytes(const void *bytes, size_t n, char hex[HASH_HEX], struct error *err)
{
    unsigned char digest[32];
    if (EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL) != 1)
        return error_set(err, ERROR_MACHINE, "SHA-256 failed in libcrypto");
    to_hex(digest, hex);
    return true;
}

bool hash_file(const char *path, char hex[HASH_HEX], struct error *err)
{
    FILE *stream = fopen(path, "rbe");
    if (!stream)
        return error_set_errno(err, "%s: cannot be opened", path);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    unsigned char chunk[65536], digest[32];
    size_t n;
    while (ok && (n = fread(chunk, 1, sizeof chunk, stream)) > 0)
        ok = EVP_DigestUpdate(context, chunk, n) == 1;
    if (ok && ferror(stream))
        ok = error_set_errno(err, "%s: cannot be read", path);
    else if (!ok || EVP_DigestFinal_ex(context, digest, NULL) != 1)
        ok = error_set(err, ERROR_MACHINE, "%s: SHA-256 failed in libcrypto", path);
    EVP_MD_CTX_free(context);
    fclose(stream);
    if (ok)
        to_hex(digest, hex);
    return ok;
}
