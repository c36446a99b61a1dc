/* SPDX-License-Identifier: MIT */
/* A lock for one writer or many readers, on every system. Layer: tests/support. */
#ifndef SUPPORT_RWLOCK_H
#define SUPPORT_RWLOCK_H

#if defined(_WIN32)
#include <windows.h>
typedef SRWLOCK rwlock;
#define rwlock_read(lock) AcquireSRWLockShared(lock)
#define rwlock_read_end(lock) ReleaseSRWLockShared(lock)
#define rwlock_write(lock) AcquireSRWLockExclusive(lock)
#define rwlock_write_end(lock) ReleaseSRWLockExclusive(lock)
#define rwlock_start(lock) (InitializeSRWLock(lock), 0)
#define rwlock_end(lock) ((void)(lock))
#else
#include <pthread.h>
typedef pthread_rwlock_t rwlock;
#define rwlock_read(lock) ((void)pthread_rwlock_rdlock(lock))
#define rwlock_read_end(lock) ((void)pthread_rwlock_unlock(lock))
#define rwlock_write(lock) ((void)pthread_rwlock_wrlock(lock))
#define rwlock_write_end(lock) ((void)pthread_rwlock_unlock(lock))
#define rwlock_start(lock) pthread_rwlock_init(lock, NULL)
#define rwlock_end(lock) ((void)pthread_rwlock_destroy(lock))
#endif

#endif
