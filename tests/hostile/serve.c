/* The hostile server as a program, for the end-to-end tests: serve DIRECTORY prints its port and answers until its standard input ends.
 * What is below /files/ comes from the directory. */
#include "tests/hostile.h"

int main(int argc, char **argv)
{
    struct hostile *server = argc == 2 ? hostile_start(argv[1]) : NULL;
    if (!server)
        return 1;
    printf("%d\n", server->port);
    fclose(stdout); // who reads the port knows that it is whole
    while (getchar() != EOF)
        ;
    return 0;
}
