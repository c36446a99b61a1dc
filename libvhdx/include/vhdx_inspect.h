/* SPDX-License-Identifier: MIT */
/* libvhdx: every structure of a file, however damaged. Part of vhdx.h, which includes it and says what holds for all functions. */
#ifndef VHDX_INSPECT_H
#define VHDX_INSPECT_H

#include "vhdx.h"

#ifdef __cplusplus
extern "C" {
#endif

enum vhdx_part {
	VHDX_PART_HEADERS = 1u << 0,  /* VHDX: identifier and headers; VHD: footers and dynamic header */
	VHDX_PART_REGIONS = 1u << 1,  /* VHDX region tables */
	VHDX_PART_METADATA = 1u << 2, /* VHDX metadata table, items, parent locator; VHD parent locators */
	VHDX_PART_BAT = 1u << 3,      /* entries that are not in their default state; all that break a rule */
	VHDX_PART_LOG = 1u << 4,      /* VHDX log entries and descriptors */
	VHDX_PART_ALL = 31
};

/* One field as it stands on disk. Pointers live during the callback. */
struct vhdx_field {
	enum vhdx_part part;
	const char *structure;   /* id from the field table: "vhdx_header" */
	const char *title;       /* "Header" */
	uint64_t index;          /* which one of several: 0 and 1 for the two headers, BAT index, ... */
	uint64_t structure_offset; /* file offset of the structure */
	const char *name;        /* "sequence_number" */
	uint64_t file_offset;
	uint32_t length;         /* bytes on disk */
	const uint8_t *bytes;    /* those bytes */
	const char *value;       /* readable: "7", "0x1000", a GUID, text */
	const char *meaning;     /* from the field table */
	const char *rule;        /* the rule it breaks: "VHDX-016"; "" when none */
	const char *problem;     /* expected and found, one line; "" when none */
};

enum vhdx_severity { VHDX_SEVERITY_NOTE = 0, VHDX_SEVERITY_WARNING = 1, VHDX_SEVERITY_ERROR = 2 };

/* What vhdx_repair (vhdx_repair.h) does about a finding. */
enum vhdx_mend {
	VHDX_MEND_NONE = 0,         /* nothing: it cannot be put right without knowing what was lost, or is no harm */
	VHDX_MEND_HEADER = 1,       /* VHDX: a header is written anew from the good one */
	VHDX_MEND_REGION_TABLE = 2, /* VHDX: a copy of the region table from the one that counts */
	VHDX_MEND_LOG = 3,          /* VHDX: the pending log is replayed */
	VHDX_MEND_DISCARD_LOG = 4,  /* VHDX: a log that cannot be replayed is thrown away, with VHDX_REPAIR_DISCARD_LOG only */
	VHDX_MEND_FOOTER = 5,       /* VHD: a footer from its copy */
	VHDX_MEND_SPACE = 6         /* space that belongs to nothing is given back to the host */
};

struct vhdx_finding {
	enum vhdx_severity severity;
	const char *rule;      /* "" when it is no rule's */
	uint64_t file_offset;  /* or VHDX_NO_OFFSET */
	const char *message;   /* one line */
	enum vhdx_mend mend;
};

struct vhdx_inspect_options {
	uint32_t struct_size;
	unsigned parts; /* vhdx_part bits; 0: all */
	const struct vhdx_env *env;
	void *context;
	/* Both optional; a non-zero return stops the walk with VHDX_E_CANCELLED. */
	int (*on_field)(void *context, const struct vhdx_field *field);
	int (*on_finding)(void *context, const struct vhdx_finding *finding);
};
#define VHDX_INSPECT_OPTIONS_INIT VHDX_INIT(struct vhdx_inspect_options)

/*
 * Walks the structures in file order as far as they can be found. Returns VHDX_OK when the walk came to its end, whatever it found; damage
 * is told through on_finding. Opens no other file and replays nothing, but looks through the pending log when there is one.
 */
VHDX_API int vhdx_inspect(const struct vhdx_file *file, const struct vhdx_inspect_options *options, struct vhdx_error *error);

#ifdef __cplusplus
}
#endif

#endif
