/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup v2 has no device controller: a BPF_PROG_TYPE_CGROUP_DEVICE program attached to the group says yes
 * (1) or no (0) to each open and mknod of a device. The program is a chain of rules, one block each; written
 * by hand, because libbpf would be one more resident library for thirty lines.
 */
#include <baton/kconfig.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/cleanup.h"
#include "core/supervisor/cgroup-priv.h"

/* Longest rule: type, access (3), major, minor, verdict (2). */
#define RULE_MAX   8
#define PROLOGUE   6
#define EPILOGUE   2
#define ACCESS_ALL (BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)

enum bpf_register { VERDICT = BPF_REG_0, CONTEXT = BPF_REG_1, TYPE, ACCESS, MAJOR, MINOR };

struct program {
	struct bpf_insn *code;
	size_t length;
};

static void emit(struct program *program, struct bpf_insn instruction)
{
	program->code[program->length++] = instruction;
}

static void emit_load(struct program *program, unsigned to, size_t offset)
{
	emit(program, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
	                      .dst_reg = to & 0xfU,
	                      .src_reg = CONTEXT,
	                      .off = (short)offset });
}

static void emit_alu(struct program *program, int operation, unsigned to, int32_t value)
{
	emit(program, (struct bpf_insn){ .code = (unsigned char)(BPF_ALU | operation | BPF_K),
	                      .dst_reg = to & 0xfU,
	                      .imm = value });
}

static void emit_move(struct program *program, unsigned to, unsigned from)
{
	emit(program,
	        (struct bpf_insn){
	                .code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = to & 0xfU, .src_reg = from & 0xfU });
}

/* The distance is filled in when the end of the rule is known. */
static void emit_jump_if_not(struct program *program, unsigned left, int32_t value)
{
	emit(program,
	        (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = left & 0xfU, .imm = value });
}

static void emit_return(struct program *program, int32_t verdict)
{
	emit_alu(program, BPF_MOV, VERDICT, verdict);
	emit(program, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

static int32_t access_bits(const char *access)
{
	return (strchr(access, 'm') ? BPF_DEVCG_ACC_MKNOD : 0) |
	       (strchr(access, 'r') ? BPF_DEVCG_ACC_READ : 0) |
	       (strchr(access, 'w') ? BPF_DEVCG_ACC_WRITE : 0);
}

/* Goes on behind the rule as soon as something does not match. */
static void emit_rule(struct program *program, const struct cgroup_device *device)
{
	size_t start = program->length;
	int32_t access = access_bits(device->access);

	emit_jump_if_not(program, TYPE, device->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (access != ACCESS_ALL) {
		/* One open asks for reading and writing at once: no wanted bit may be outside the rule's. */
		emit_move(program, CONTEXT, ACCESS);
		emit_alu(program, BPF_AND, CONTEXT, ACCESS_ALL & ~access);
		emit_jump_if_not(program, CONTEXT, 0);
	}
	if (device->major >= 0)
		emit_jump_if_not(program, MAJOR, device->major);
	if (device->minor >= 0)
		emit_jump_if_not(program, MINOR, device->minor);
	emit_return(program, 1);
	for (size_t i = start; i < program->length; i++) {
		if (program->code[i].code == (BPF_JMP | BPF_JNE | BPF_K))
			program->code[i].off = (short)(program->length - i - 1);
	}
}

static void emit_program(struct program *program, const struct cgroup_device *devices, size_t n_devices)
{
	emit_load(program, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit_load(program, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(program, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	/* access_type: wanted access in the upper half, type in the lower. The context is not needed after
	 * this. */
	emit_move(program, ACCESS, TYPE);
	emit_alu(program, BPF_RSH, ACCESS, 16);
	emit_alu(program, BPF_AND, TYPE, 0xffff);
	for (size_t i = 0; i < n_devices; i++)
		emit_rule(program, &devices[i]);
	emit_return(program, 0);
}

int cgroup_device_bpf_load(const struct cgroup_device *devices, size_t n_devices)
{
	static const char license[] = "Apache-2.0"; /* only GPL helper functions ask for another */
	cleanup_free struct bpf_insn *code = NULL;
	struct program program = { 0 };
	union bpf_attr attributes;
	long fd;

	if (n_devices > CONFIG_CGROUP_DEVICES_MAX)
		return -E2BIG;
	code = calloc(PROLOGUE + n_devices * RULE_MAX + EPILOGUE, sizeof(*code));
	if (!code)
		return -ENOMEM;
	program.code = code;
	emit_program(&program, devices, n_devices);
	/* bpf(2) wants the unused rest of the union zeroed, padding included. */
	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attributes.insns = (uint64_t)(uintptr_t)program.code;
	attributes.insn_cnt = (uint32_t)program.length;
	attributes.license = (uint64_t)(uintptr_t)license;
	attributes.expected_attach_type = BPF_CGROUP_DEVICE;
	memcpy(attributes.prog_name, "baton_devices", sizeof("baton_devices"));
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
	return fd < 0 ? -errno : (int)fd; /* the kernel makes it O_CLOEXEC */
}

int cgroup_device_bpf_attach(int dir_fd, int program_fd)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.target_fd = (uint32_t)dir_fd;
	attributes.attach_bpf_fd = (uint32_t)program_fd;
	attributes.attach_type = BPF_CGROUP_DEVICE;
	/* MULTI: programs of groups above (systemd's DeviceAllow=) and below stay in force; all must say
	 * yes. */
	attributes.attach_flags = BPF_F_ALLOW_MULTI;
	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}
