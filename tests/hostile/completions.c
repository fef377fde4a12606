/* The OpenAI-like server as a program, for the end-to-end tests: completions MODEL prints its port and answers until its standard input
 * ends. */
#include "tests/completions.h"

int main(int argc, char **argv)
{
    struct error err = {0};
    struct completions *server = argc == 2 ? completions_start(argv[1], &err) : NULL;
    if (!server) {
        fprintf(stderr, "completions: %s\n", err.message);
        return 1;
    }
    printf("%d\n", server->port);
    fclose(stdout); // who reads the port knows that it is whole
    while (getchar() != EOF)
        ;
    return 0;
}
