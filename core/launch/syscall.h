/* SPDX-License-Identifier: Apache-2.0 */
/* System calls and entry point without a C library, so that baton-init is a few KiB and maps nothing of the
 * host. */
#ifndef BATON_LAUNCH_SYSCALL_H
#define BATON_LAUNCH_SYSCALL_H

/* The program's C entry: `stack` as the kernel left it (argc, argv, NULL, envp, NULL). */
void start_c(long *stack) __attribute__((used, noreturn));

#if defined(__x86_64__)

__asm__(".text\n.global _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall "
        "start_c\n\thlt\n");

static inline long raw_syscall(long number, long a, long b, long c, long d, long e)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
	                 : "rcx", "r11", "memory");
	return result;
}

#elif defined(__aarch64__)

__asm__(".text\n.global _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tand sp, x0, "
        "#-16\n\tbl start_c\n");

static inline long raw_syscall(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
}

#elif defined(__arm__)

__asm__(".text\n.arm\n.global _start\n_start:\n\tmov r0, sp\n\tbic sp, sp, #7\n\tbl start_c\n");

static inline long raw_syscall(long number, long a, long b, long c, long d, long e)
{
	register long r7 __asm__("r7") = number;
	register long r0 __asm__("r0") = a;
	register long r1 __asm__("r1") = b;
	register long r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = d;
	register long r4 __asm__("r4") = e;

	__asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4) : "memory");
	return r0;
}

#else
#error "baton-init: add the entry point and system call of this architecture"
#endif

#endif
