/* pvp: generator and sink in one process on one core, at the guest's end of two vhost-user ports
 * (physical - virtual - physical turned round: what a virtual machine would see of the switch).
 *
 *     pvp EAL-ARGUMENTS -- FRAMES-A FRAMES-B WARM-SECONDS SECONDS
 *
 * Two ethdev ports are expected (virtio-user). FRAMES-B are sent once from the second one, so that the
 * switch learns them; then those of FRAMES-A from the first one, over and over, as fast as the ring
 * takes them, while what arrives at the second one is counted. Prints one line for the time after
 * warming:
 *
 *     sent N received N offered N refused-bursts N bursts N seconds S
 *
 * `refused` are packets that a full ring did not take, only then is the switch the limit and not this
 * program. */

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../replay/frames.h"

#define BURST 32
#define DESCRIPTORS 1024

struct counts {
	uint64_t sent, received, offered, refused_bursts, bursts;
};

static struct frames load(const char *path)
{
	struct frames frames;
	const int result = frames_load(&frames, path, 0);
	if (result != 0)
		rte_exit(EXIT_FAILURE, "%s: %s\n", path, strerror(-result));
	return frames;
}

static void open_port(uint16_t port, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	uint16_t receive = DESCRIPTORS, transmit = DESCRIPTORS;
	if (rte_eth_dev_configure(port, 1, 1, &conf) != 0 ||
	    rte_eth_dev_adjust_nb_rx_tx_desc(port, &receive, &transmit) != 0 ||
	    rte_eth_rx_queue_setup(port, 0, receive, SOCKET_ID_ANY, NULL, pool) != 0 ||
	    rte_eth_tx_queue_setup(port, 0, transmit, SOCKET_ID_ANY, NULL) != 0 ||
	    rte_eth_dev_start(port) != 0)
		rte_exit(EXIT_FAILURE, "cannot start port %u\n", port);
}

/* Up once the switch has connected to the port's socket. */
static void await_link(uint16_t port)
{
	for (int i = 0; i < 3000; i++) {
		struct rte_eth_link link = {0};
		if (rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP)
			return;
		rte_delay_ms(10);
	}
	rte_exit(EXIT_FAILURE, "nobody connects to port %u\n", port);
}

static uint16_t fill(struct rte_mbuf **packets, struct rte_mempool *pool, const struct frames *frames,
		     uint32_t *next, uint16_t count)
{
	if (rte_pktmbuf_alloc_bulk(pool, packets, count) != 0)
		return 0;
	for (uint16_t i = 0; i < count; i++) {
		const struct frame frame = frames->list[*next];
		rte_memcpy(rte_pktmbuf_mtod(packets[i], void *), frame_bytes(frames, frame),
			   frame.size);
		packets[i]->data_len = (uint16_t)frame.size;
		packets[i]->pkt_len = frame.size;
		if (++*next == frames->count)
			*next = 0;
	}
	return count;
}

static void generate(struct rte_mempool *pool, const struct frames *frames, uint32_t *next,
		     struct counts *counts)
{
	struct rte_mbuf *packets[BURST];
	const uint16_t count = fill(packets, pool, frames, next, BURST);
	if (count == 0)
		return; /* all buffers are on their way: the rings are full */
	const uint16_t sent = rte_eth_tx_burst(0, 0, packets, count);
	rte_pktmbuf_free_bulk(packets + sent, count - sent);
	counts->bursts++;
	counts->refused_bursts += sent < count;
	counts->offered += count;
	counts->sent += sent;
}

static void sink(struct counts *counts)
{
	struct rte_mbuf *packets[BURST];
	const uint16_t count = rte_eth_rx_burst(1, 0, packets, BURST);
	rte_pktmbuf_free_bulk(packets, count);
	counts->received += count;
}

/* What floods back to the generator's own port is thrown away. */
static void clear_port_0(void)
{
	struct rte_mbuf *packets[BURST];
	rte_pktmbuf_free_bulk(packets, rte_eth_rx_burst(0, 0, packets, BURST));
}

static void teach(struct rte_mempool *pool, const struct frames *frames)
{
	uint32_t next = 0;
	for (uint32_t i = 0; i < frames->count;) {
		struct rte_mbuf *packet;
		if (fill(&packet, pool, frames, &next, 1) == 1) {
			if (rte_eth_tx_burst(1, 0, &packet, 1) == 1)
				i++;
			else {
				rte_pktmbuf_free(packet);
				next = i % frames->count;
			}
		}
		clear_port_0();
	}
	const uint64_t end = rte_rdtsc() + rte_get_tsc_hz() / 2;
	while (rte_rdtsc() < end)
		clear_port_0();
}

static void run(struct rte_mempool *pool, const struct frames *frames, uint32_t *next, double seconds,
		struct counts *counts)
{
	const uint64_t end = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	*counts = (struct counts){0};
	while (rte_rdtsc() < end) {
		generate(pool, frames, next, counts);
		sink(counts);
		sink(counts);
	}
}

int main(int argc, char **argv)
{
	const int used = rte_eal_init(argc, argv);
	if (used < 0 || argc - used != 5)
		rte_exit(EXIT_FAILURE, "usage: see the top of pvp.c\n");
	argv += used;
	const struct frames a = load(argv[1]), b = load(argv[2]);
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create("pvp", 16383, 256, 0, 2048 + RTE_PKTMBUF_HEADROOM,
					SOCKET_ID_ANY);
	if (pool == NULL || rte_eth_dev_count_avail() != 2)
		rte_exit(EXIT_FAILURE, "no memory, or not two ports\n");
	open_port(0, pool);
	open_port(1, pool);
	await_link(0);
	await_link(1);
	teach(pool, &b);

	uint32_t next = 0;
	struct counts counts;
	run(pool, &a, &next, atof(argv[3]), &counts);
	printf("begin\n");
	fflush(stdout);
	run(pool, &a, &next, atof(argv[4]), &counts);
	printf("sent %lu received %lu offered %lu refused-bursts %lu bursts %lu seconds %s\n",
	       counts.sent, counts.received, counts.offered, counts.refused_bursts, counts.bursts,
	       argv[4]);
	fflush(stdout);
	return 0;
}
