/* The sandbox container of every pod: does nothing, ends when told to, and as process 1 collects orphans. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

int main(void)
{
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGINT);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &awaited, NULL) != 0)
        return EXIT_FAILURE;

    for (;;) {
        int number = 0;
        if (sigwait(&awaited, &number) != 0)
            return EXIT_FAILURE;
        if (number != SIGCHLD)
            return EXIT_SUCCESS;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
}
