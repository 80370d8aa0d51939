// locker KIND TYPE HOW FIRST COUNT FILE COMMAND...
//
// Runs COMMAND while it holds a lock on FILE, as flock(1) does, but of either kind.
//   KIND    posix (fcntl, on COUNT bytes from FIRST on) or flock (on the whole file)
//   TYPE    read or write
//   HOW     wait or try
// Its status is COMMAND's; 75 where HOW is try and somebody else has the lock; 76 for any other failure.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

static int lock(int file, char **words) {
  int is_write = !strcmp(words[2], "write");
  int may_wait = !strcmp(words[3], "wait");
  if (!strcmp(words[1], "flock")) return flock(file, (is_write ? LOCK_EX : LOCK_SH) | (may_wait ? 0 : LOCK_NB));
  struct flock range = {
      .l_type = is_write ? F_WRLCK : F_RDLCK,
      .l_whence = SEEK_SET,
      .l_start = atoll(words[4]),
      .l_len = atoll(words[5]),
  };
  return fcntl(file, may_wait ? F_SETLKW : F_SETLK, &range);
}

int main(int count, char **words) {
  if (count < 8) return 76;
  int file = open(words[6], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || lock(file, words) != 0) {
    if (file >= 0 && (errno == EAGAIN || errno == EACCES)) return 75;
    perror(words[6]);
    return 76;
  }
  pid_t child = fork();
  if (child == 0) {
    execvp(words[7], words + 7);
    _exit(76);
  }
  int status;
  return child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ? 76 : WEXITSTATUS(status);
}
