/* The frames of a pcap file in memory, each at the start of a cache line, in huge pages where the kernel
 * gives them: what the replay device and the PVP generator copy packets from. */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FRAME_LINE 64
#define FRAME_LARGEST 1900 /* fits an ordinary mbuf */

struct frame {
	uint32_t line; /* where it begins, in lines of 64 bytes */
	uint32_t size;
};

struct frames {
	uint8_t *bytes;
	size_t mapped;
	struct frame *list;
	uint32_t count;
	uint32_t lines; /* in use */
};

static inline const void *frame_bytes(const struct frames *frames, struct frame frame)
{
	return frames->bytes + (size_t)frame.line * FRAME_LINE;
}

static inline void frames_free(struct frames *frames)
{
	if (frames->bytes != NULL)
		munmap(frames->bytes, frames->mapped);
	free(frames->list);
	*frames = (struct frames){0};
}

/* Where a frame that is added would begin. */
static inline uint8_t *frames_end(const struct frames *frames)
{
	return frames->bytes + (size_t)frames->lines * FRAME_LINE;
}

/* Puts the frame that lies at frames_end() into the list. */
static inline void frames_put(struct frames *frames, uint32_t place, uint32_t size)
{
	frames->list[place] = (struct frame){frames->lines, size};
	frames->lines += (size + FRAME_LINE - 1) / FRAME_LINE;
}

static inline int frames_read(struct frames *frames, FILE *file, size_t size, uint32_t room)
{
	struct {
		uint32_t magic;
		uint16_t version[2];
		uint32_t unused[2], snapshot, link;
	} header;
	struct {
		uint32_t time[2], stored, size;
	} record;
	if (fread(&header, sizeof(header), 1, file) != 1 || header.magic != 0xa1b2c3d4)
		return -EINVAL;
	/* A record's own header is 16 bytes, so padding a frame to lines at most quintuples it. */
	const size_t huge = (size_t)2 << 20;
	const size_t added = ((size_t)FRAME_LARGEST + FRAME_LINE) * room;
	frames->mapped = (size * 5 + added + huge - 1) / huge * huge;
	void *bytes = mmap(NULL, frames->mapped, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		return -ENOMEM;
	frames->bytes = (uint8_t *)bytes;
	frames->list = (struct frame *)malloc((size / sizeof(record) + room) * sizeof(struct frame));
	if (frames->list == NULL)
		return -ENOMEM;
	madvise(bytes, frames->mapped, MADV_HUGEPAGE);
	while (fread(&record, sizeof(record), 1, file) == 1) {
		if (record.stored == 0 || record.stored > FRAME_LARGEST ||
		    fread(frames_end(frames), record.stored, 1, file) != 1)
			return -EINVAL;
		frames_put(frames, frames->count++, record.stored);
	}
	return frames->count != 0 ? 0 : -EINVAL;
}

/* With room for so many frames that are added later. 0, or -errno with nothing held. */
static inline int frames_load(struct frames *frames, const char *path, uint32_t room)
{
	struct stat status;
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return -errno;
	*frames = (struct frames){0};
	int result = fstat(fileno(file), &status) == 0
			     ? frames_read(frames, file, (size_t)status.st_size, room)
			     : -errno;
	fclose(file);
	if (result != 0)
		frames_free(frames);
	return result;
}
