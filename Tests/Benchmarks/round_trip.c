// How long a cache line takes from one processor to another and back, in nanoseconds: the median of several rounds,
// between the first two processors that this process may use. About 100 where they share a cache, some hundreds where
// they don't.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { trips = 20000, rounds = 9 };

static _Atomic int ball;
static int processors[2];

static void stay_on(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) exit(1);
}

static void wait_for(int value) {
  while (atomic_load_explicit(&ball, memory_order_acquire) != value) continue;
}

static void *return_it(void *nothing) {
  stay_on(processors[1]);
  for (int trip = 0; trip < trips; trip++) {
    wait_for(2 * trip + 1);
    atomic_store_explicit(&ball, 2 * trip + 2, memory_order_release);
  }
  return nothing;
}

static double one_round(void) {
  struct timespec start, end;
  pthread_t other;
  atomic_store(&ball, 0);
  if (pthread_create(&other, NULL, return_it, NULL) != 0) exit(1);
  for (int trip = 0; trip < trips; trip++) {
    // The first trip waits for the other thread.
    if (trip == 1) clock_gettime(CLOCK_MONOTONIC, &start);
    atomic_store_explicit(&ball, 2 * trip + 1, memory_order_release);
    wait_for(2 * trip + 2);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  pthread_join(other, NULL);
  return ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / (trips - 1);
}

static int compare(const void *left, const void *right) {
  double difference = *(const double *)left - *(const double *)right;
  return (difference > 0) - (difference < 0);
}

int main(void) {
  cpu_set_t allowed;
  int found = 0;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  for (int processor = 0; processor < CPU_SETSIZE && found < 2; processor++)
    if (CPU_ISSET(processor, &allowed)) processors[found++] = processor;
  if (found < 2) return 2;
  stay_on(processors[0]);
  double times[rounds];
  for (int round = 0; round < rounds; round++) times[round] = one_round();
  qsort(times, rounds, sizeof *times, compare);
  printf("%.0f\n", times[rounds / 2]);
  return 0;
}
