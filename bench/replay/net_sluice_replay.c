/* net_sluice_replay: an Ethernet device without a wire. It receives the frames of a file, over and
 * over, each copied out of memory into a fresh mbuf as a NIC's DMA would put it there, and swallows
 * what is transmitted. So a switch between two of them is measured alone: no generator, no system call,
 * no second core.
 *
 *   --vdev net_sluice_replay0,page=/dev/shm/a.page,frames=/dev/shm/a.pcap[,passes=N][,gaps=1]
 *                             [,opening=N[,advance=N]][,answers=N]
 *
 *   page    a file that the device makes and keeps its counters in (struct page below): whoever maps it
 *           reads them, whatever program the device is in, and writes `go`
 *   frames  a pcap file; without one the device never receives
 *   passes  how often each receive queue replays the file; 0, the default, is for ever
 *   gaps    measure the longest time between two polls of a queue
 *   opening the file's first N frames are received once, and after them nothing before `go` is 2: the
 *           beginning of connections, which are replayed from then on. One receive queue
 *   advance all other frames are TCP over IPv4 without options; each pass adds N to their sequence and
 *           acknowledgement numbers, so that they are new data and not the last pass's once more
 *   answers the device keeps the first N UDP packets over IPv4 that it transmits, and turns each into its
 *           answer: both ends are exchanged, and in a VXLAN packet also those of the inner packet. When
 *           `go` is 2, it receives the answers for ever, in turn with the file's frames until their
 *           passes are over. So the end that the switch has chosen answers, to the address that the
 *           switch has given to the connection. One receive queue; not together with an opening
 *
 * Nothing is received before `go` in the page is set, so that addresses can be taught from one side
 * before the other one starts. Built by bench/replay/build against the headers of the DPDK source
 * that the installed DPDK was made from. */

#include <bus_vdev_driver.h>
#include <errno.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_kvargs.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frames.h"

#define QUEUES 8
#define PAGE_MAGIC 0x79616c7065722d73ULL

/* One writer a line: the thread that polls the queue. bench/lib/replay.py knows this layout. */
struct receive_counters {
	uint64_t packets, bytes, polls, no_buffer;
	uint64_t last_poll, longest_gap; /* TSC; only with gaps=1; a reader may zero longest_gap */
	uint64_t unused[2];
};
struct transmit_counters {
	uint64_t packets, bytes, bursts;
	uint64_t unused[5];
};
struct page {
	uint64_t magic, tsc_hz, frame_count;
	uint64_t go; /* written by the bench: 1, or 2 for what follows the opening, and for the answers */
	uint64_t opening;
	uint64_t answers, kept; /* wanted; kept so far */
	uint64_t unused[1];
	struct receive_counters receive[QUEUES];
	struct transmit_counters transmit[QUEUES];
};

struct queue {
	struct device *device;
	struct rte_mempool *pool;
	struct receive_counters *received;
	struct transmit_counters *transmitted;
	uint64_t left; /* frames until the last pass is over */
	uint32_t next;
	uint32_t advanced; /* TCP's numbers, by the passes so far */
	uint16_t port;
} __rte_cache_aligned;

struct device {
	struct page *page;
	struct frames frames;
	uint32_t passes;
	uint32_t opening, advance;
	uint32_t answers;
	int keeps; /* answers, behind the list of the file's frames */
	int gaps;
	struct rte_ether_addr mac;
	struct queue receive[QUEUES], transmit[QUEUES];
};

/* --- the data path ------------------------------------------------------------------------------ */

static __rte_always_inline uint16_t replay(struct queue *queue, struct rte_mbuf **packets,
					   uint16_t room)
{
	const struct device *device = queue->device;
	struct receive_counters *counters = queue->received;
	counters->polls++;
	if (unlikely(*(volatile uint64_t *)&device->page->go == 0))
		return 0;
	if (unlikely(room > queue->left)) {
		room = (uint16_t)queue->left;
		if (room == 0)
			return 0;
	}
	if (unlikely(rte_pktmbuf_alloc_bulk(queue->pool, packets, room) != 0)) {
		counters->no_buffer++;
		return 0;
	}
	uint32_t next = queue->next;
	uint64_t bytes = 0;
	for (uint16_t i = 0; i < room; i++) {
		const struct frame frame = device->frames.list[next];
		struct rte_mbuf *packet = packets[i];
		rte_memcpy(rte_pktmbuf_mtod(packet, void *), frame_bytes(&device->frames, frame),
			   frame.size);
		packet->data_len = (uint16_t)frame.size;
		packet->pkt_len = frame.size;
		packet->port = queue->port;
		/* What every NIC says of a frame in order. */
		packet->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		bytes += frame.size;
		if (++next == device->frames.count)
			next = 0;
	}
	queue->next = next;
	queue->left -= room;
	counters->packets += room;
	counters->bytes += bytes;
	return room;
}

static uint16_t receive(void *queue, struct rte_mbuf **packets, uint16_t room)
{
	return replay(queue, packets, room);
}

static uint16_t receive_timed(void *queue, struct rte_mbuf **packets, uint16_t room)
{
	struct receive_counters *counters = ((struct queue *)queue)->received;
	const uint64_t now = rte_rdtsc();
	if (counters->last_poll != 0 && now - counters->last_poll > counters->longest_gap)
		counters->longest_gap = now - counters->last_poll;
	counters->last_poll = now;
	return replay(queue, packets, room);
}

static uint16_t swallow(void *opaque, struct rte_mbuf **packets, uint16_t count)
{
	struct transmit_counters *counters = ((struct queue *)opaque)->transmitted;
	uint64_t bytes = 0;
	for (uint16_t i = 0; i < count; i++)
		bytes += packets[i]->pkt_len;
	rte_pktmbuf_free_bulk(packets, count);
	counters->packets += count;
	counters->bytes += bytes;
	counters->bursts++;
	return count;
}

/* --- connections -------------------------------------------------------------------------------- */

#define TCP_NUMBERS (14 + 20 + 4) /* sequence and acknowledgement, behind Ethernet and IPv4 */

static void add_to(uint8_t *number, uint32_t distance)
{
	uint32_t value;
	memcpy(&value, number, sizeof(value));
	value = rte_cpu_to_be_32(rte_be_to_cpu_32(value) + distance);
	memcpy(number, &value, sizeof(value));
}

/* A burst ends with the opening and with each pass. */
static uint16_t receive_connections(void *opaque, struct rte_mbuf **packets, uint16_t room)
{
	struct queue *queue = opaque;
	const struct device *device = queue->device;
	const uint32_t opening = device->opening;
	const uint32_t next = queue->next;
	const int opens = next < opening;
	if (!opens && *(volatile uint64_t *)&device->page->go < 2) {
		queue->received->polls++;
		return 0;
	}
	const uint16_t count = replay(
		queue, packets,
		(uint16_t)RTE_MIN(room, (opens ? opening : device->frames.count) - next));
	if (count != 0 && queue->next == 0)
		queue->next = opening;
	if (opens || device->advance == 0)
		return count;
	for (uint16_t i = 0; i < count; i++) {
		uint8_t *numbers = rte_pktmbuf_mtod_offset(packets[i], uint8_t *, TCP_NUMBERS);
		add_to(numbers, queue->advanced);
		add_to(numbers + 4, queue->advanced);
	}
	if (count != 0 && queue->next == opening)
		queue->advanced += device->advance;
	return count;
}

/* --- answers ------------------------------------------------------------------------------------ */

#define VXLAN_PORT 4789
#define UDP_HEADERS (14 + 20 + 8) /* Ethernet, IPv4 without options, UDP */
#define VXLAN_HEADERS (UDP_HEADERS + 8)

static void exchange(uint8_t *one, uint8_t *other, size_t size)
{
	uint8_t first[RTE_ETHER_ADDR_LEN];
	memcpy(first, one, size);
	memcpy(one, other, size);
	memcpy(other, first, size);
}

/* Exchanges the two ends of a UDP packet over IPv4. Its checksums remain right, because they add the same
 * words. A VXLAN packet keeps its outer ports: the source port only tells flows apart. Returns 0 for any
 * other packet. */
static int turn(uint8_t *frame, uint32_t size)
{
	if (size < UDP_HEADERS || frame[12] != 0x08 || frame[13] != 0x00 || frame[14] != 0x45 ||
	    frame[23] != 17)
		return 0;
	const int is_vxlan = (frame[36] << 8 | frame[37]) == VXLAN_PORT;
	if (is_vxlan &&
	    (size < VXLAN_HEADERS || !turn(frame + VXLAN_HEADERS, size - VXLAN_HEADERS)))
		return 0;
	exchange(frame, frame + 6, RTE_ETHER_ADDR_LEN);
	exchange(frame + 26, frame + 30, 4);
	if (!is_vxlan)
		exchange(frame + 34, frame + 36, 2);
	return 1;
}

static void keep(struct device *device, const struct rte_mbuf *packet)
{
	struct frames *frames = &device->frames;
	uint8_t *answer = frames_end(frames);
	const uint32_t size = packet->pkt_len;
	if (size > FRAME_LARGEST)
		return;
	const void *sent = rte_pktmbuf_read(packet, 0, size, answer);
	if (sent != answer)
		memcpy(answer, sent, size);
	if (turn(answer, size))
		frames_put(frames, frames->count + (uint32_t)device->page->kept++, size);
}

static uint16_t keep_and_swallow(void *opaque, struct rte_mbuf **packets, uint16_t count)
{
	struct device *device = ((struct queue *)opaque)->device;
	for (uint16_t i = 0; i < count && device->keeps && device->page->kept < device->answers; i++)
		keep(device, packets[i]);
	return swallow(opaque, packets, count);
}

/* The queue receives the answers from now on; in turn with the file's frames unless it has received all of
 * their passes. */
static void take_answers(struct queue *queue)
{
	struct device *device = queue->device;
	struct frames *frames = &device->frames;
	const uint32_t kept = (uint32_t)device->page->kept;
	const uint32_t own = queue->left != 0 ? frames->count : 0;
	struct frame *all = malloc((own + kept) * sizeof(*all));
	if (all == NULL || own + kept == 0) {
		free(all);
		return;
	}
	uint32_t count = 0;
	for (uint32_t i = 0; i < RTE_MAX(own, kept); i++) {
		if (i < own)
			all[count++] = frames->list[i];
		if (i < kept)
			all[count++] = frames->list[frames->count + i];
	}
	free(frames->list);
	frames->list = all;
	frames->count = count;
	queue->next = 0;
	queue->left = UINT64_MAX;
	device->keeps = 0;
}

static uint16_t receive_answers(void *opaque, struct rte_mbuf **packets, uint16_t room)
{
	struct queue *queue = opaque;
	struct device *device = queue->device;
	if (unlikely(device->keeps && *(volatile uint64_t *)&device->page->go == 2))
		take_answers(queue);
	return replay(queue, packets, room);
}

/* --- the page ----------------------------------------------------------------------------------- */

static int map_page(struct device *device, const char *path)
{
	int file = open(path, O_RDWR | O_CREAT, 0600);
	if (file < 0)
		return -errno;
	int result = ftruncate(file, sizeof(struct page)) == 0 ? 0 : -errno;
	if (result == 0) {
		device->page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED,
				    file, 0);
		if (device->page == MAP_FAILED)
			result = -errno;
	}
	close(file);
	if (result != 0)
		return result;
	device->page->tsc_hz = rte_get_tsc_hz();
	device->page->frame_count = device->frames.count;
	device->page->opening = device->opening;
	device->page->answers = device->answers;
	device->page->kept = 0;
	device->page->magic = PAGE_MAGIC;
	return 0;
}

/* --- what ethdev asks --------------------------------------------------------------------------- */

static int nothing(struct rte_eth_dev *dev)
{
	RTE_SET_USED(dev);
	return 0;
}

static int start(struct rte_eth_dev *dev)
{
	dev->data->dev_link.link_status = RTE_ETH_LINK_UP;
	return 0;
}

static int stop(struct rte_eth_dev *dev)
{
	dev->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
	return 0;
}

static int link_update(struct rte_eth_dev *dev, int wait)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(wait);
	return 0;
}

static int set_mtu(struct rte_eth_dev *dev, uint16_t mtu)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(mtu);
	return 0;
}

static int set_mac(struct rte_eth_dev *dev, struct rte_ether_addr *mac)
{
	RTE_SET_USED(dev);
	RTE_SET_USED(mac); /* ethdev keeps it; whatever is received is for it */
	return 0;
}

static int info(struct rte_eth_dev *dev, struct rte_eth_dev_info *info)
{
	RTE_SET_USED(dev);
	info->max_mac_addrs = 1;
	info->max_rx_pktlen = 1900;
	info->max_mtu = 1900 - RTE_ETHER_HDR_LEN;
	const struct device *device = dev->data->dev_private;
	info->max_rx_queues = device->opening != 0 || device->answers != 0 ? 1 : QUEUES;
	info->max_tx_queues = QUEUES;
	info->rx_offload_capa = RTE_ETH_RX_OFFLOAD_CHECKSUM;
	info->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	return 0;
}

static int receive_setup(struct rte_eth_dev *dev, uint16_t number, uint16_t descriptors,
			 unsigned int node, const struct rte_eth_rxconf *conf,
			 struct rte_mempool *pool)
{
	RTE_SET_USED(descriptors);
	RTE_SET_USED(node);
	RTE_SET_USED(conf);
	struct device *device = dev->data->dev_private;
	struct queue *queue = &device->receive[number];
	queue->device = device;
	queue->pool = pool;
	queue->received = &device->page->receive[number];
	queue->port = dev->data->port_id;
	queue->left = device->frames.count == 0    ? 0
		      : device->passes == 0 ? UINT64_MAX
					    : (uint64_t)device->passes * device->frames.count;
	/* Queues don't replay the same flow at the same time. */
	queue->next = device->opening != 0 || device->answers != 0
			      ? 0
			      : (uint32_t)((uint64_t)device->frames.count * number / QUEUES);
	dev->data->rx_queues[number] = queue;
	return 0;
}

static int transmit_setup(struct rte_eth_dev *dev, uint16_t number, uint16_t descriptors,
			  unsigned int node, const struct rte_eth_txconf *conf)
{
	RTE_SET_USED(descriptors);
	RTE_SET_USED(node);
	RTE_SET_USED(conf);
	struct device *device = dev->data->dev_private;
	struct queue *queue = &device->transmit[number];
	queue->device = device;
	queue->transmitted = &device->page->transmit[number];
	dev->data->tx_queues[number] = queue;
	return 0;
}

static int stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats)
{
	const struct device *device = dev->data->dev_private;
	for (int i = 0; i < QUEUES; i++) {
		stats->ipackets += device->page->receive[i].packets;
		stats->ibytes += device->page->receive[i].bytes;
		stats->rx_nombuf += device->page->receive[i].no_buffer;
		stats->opackets += device->page->transmit[i].packets;
		stats->obytes += device->page->transmit[i].bytes;
	}
	return 0;
}

static int close_device(struct rte_eth_dev *dev)
{
	struct device *device = dev->data->dev_private;
	if (device == NULL)
		return 0;
	frames_free(&device->frames);
	munmap(device->page, sizeof(struct page)); /* the file stays, for its reader */
	dev->data->mac_addrs = NULL;		   /* is part of dev_private */
	return 0;
}

static const struct eth_dev_ops operations = {
	.dev_configure = nothing,
	.dev_start = start,
	.dev_stop = stop,
	.dev_close = close_device,
	.dev_infos_get = info,
	.rx_queue_setup = receive_setup,
	.tx_queue_setup = transmit_setup,
	.link_update = link_update,
	.mtu_set = set_mtu,
	.mac_addr_set = set_mac,
	.stats_get = stats_get,
	.stats_reset = nothing, /* the page counts on: its readers take differences */
};

/* --- what the vdev bus asks --------------------------------------------------------------------- */

static int take_text(const char *key, const char *value, void *text)
{
	RTE_SET_USED(key);
	*(const char **)text = value;
	return 0;
}

static int probe(struct rte_vdev_device *vdev)
{
	static const char *const keys[] = {"page", "frames", "passes", "gaps", "opening",
					   "advance", "answers", NULL};
	static uint8_t number;
	const char *values[7] = {NULL};
	struct rte_kvargs *arguments = rte_kvargs_parse(rte_vdev_device_args(vdev), keys);
	if (arguments == NULL)
		return -EINVAL;
	for (int i = 0; i < 7; i++)
		rte_kvargs_process(arguments, keys[i], take_text, &values[i]);

	int result = -EINVAL;
	struct rte_eth_dev *dev = NULL;
	if (values[0] == NULL)
		goto out;
	dev = rte_eth_vdev_allocate(vdev, sizeof(struct device));
	result = -ENOMEM;
	if (dev == NULL)
		goto out;
	struct device *device = dev->data->dev_private;
	device->passes = values[2] != NULL ? (uint32_t)strtoul(values[2], NULL, 0) : 0;
	device->gaps = values[3] != NULL && atoi(values[3]) != 0;
	device->opening = values[4] != NULL ? (uint32_t)strtoul(values[4], NULL, 0) : 0;
	device->advance = values[5] != NULL ? (uint32_t)strtoul(values[5], NULL, 0) : 0;
	device->answers = values[6] != NULL ? (uint32_t)strtoul(values[6], NULL, 0) : 0;
	device->keeps = device->answers != 0;
	result = values[1] != NULL ? frames_load(&device->frames, values[1], device->answers) : 0;
	if (device->keeps && (values[1] == NULL || device->opening != 0))
		result = -EINVAL;
	/* Something must follow the opening. */
	if (result == 0 && device->opening != 0 && device->opening >= device->frames.count)
		result = -EINVAL;
	if (result == 0)
		result = map_page(device, values[0]);
	if (result != 0) {
		frames_free(&device->frames);
		rte_eth_dev_release_port(dev);
		goto out;
	}
	device->mac.addr_bytes[0] = 0x02;
	device->mac.addr_bytes[1] = 0x5b;
	device->mac.addr_bytes[5] = ++number;
	dev->data->mac_addrs = &device->mac;
	dev->data->nb_rx_queues = 1;
	dev->data->nb_tx_queues = 1;
	/* So ethdev has nothing to ask for when it is told to. */
	dev->data->promiscuous = 1;
	dev->data->all_multicast = 1;
	dev->data->dev_link = (struct rte_eth_link){.link_speed = RTE_ETH_SPEED_NUM_100G,
						    .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
						    .link_autoneg = RTE_ETH_LINK_FIXED};
	dev->dev_ops = &operations;
	dev->rx_pkt_burst = device->opening != 0 ? receive_connections
			    : device->keeps	 ? receive_answers
			    : device->gaps	 ? receive_timed
						 : receive;
	dev->tx_pkt_burst = device->keeps ? keep_and_swallow : swallow;
	rte_eth_dev_probing_finish(dev);
out:
	rte_kvargs_free(arguments);
	if (result != 0)
		fprintf(stderr, "net_sluice_replay: %s: %s\n", rte_vdev_device_name(vdev),
			strerror(-result));
	return result;
}

static int remove_device(struct rte_vdev_device *vdev)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));
	if (dev == NULL)
		return 0; /* closed already */
	close_device(dev);
	return rte_eth_dev_release_port(dev);
}

static struct rte_vdev_driver driver = {.probe = probe, .remove = remove_device};

RTE_PMD_REGISTER_VDEV(net_sluice_replay, driver);
RTE_PMD_REGISTER_PARAM_STRING(net_sluice_replay,
			      "page=<file> frames=<file> passes=<number> gaps=<0|1> "
			      "opening=<number> advance=<number> answers=<number>");
