/* SPDX-License-Identifier: MIT */
/* A mutex on every system. Layer: base. Atomics are C11's. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <stdatomic.h>

#if defined(_WIN32)
#include <windows.h>
typedef SRWLOCK mutex;
static inline void mutex_start(mutex *m)
{
	InitializeSRWLock(m);
}
static inline void mutex_end(mutex *m)
{
	(void)m;
}
static inline void mutex_lock(mutex *m)
{
	AcquireSRWLockExclusive(m);
}
static inline void mutex_unlock(mutex *m)
{
	ReleaseSRWLockExclusive(m);
}
static inline void thread_yield(void)
{
	(void)SwitchToThread();
}
#else
#include <pthread.h>
#include <sched.h>
typedef pthread_mutex_t mutex;
static inline void mutex_start(mutex *m)
{
	(void)pthread_mutex_init(m, NULL);
}
static inline void mutex_end(mutex *m)
{
	(void)pthread_mutex_destroy(m);
}
static inline void mutex_lock(mutex *m)
{
	(void)pthread_mutex_lock(m);
}
static inline void mutex_unlock(mutex *m)
{
	(void)pthread_mutex_unlock(m);
}
static inline void thread_yield(void)
{
	(void)sched_yield();
}
#endif

#endif
