// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Chance, the same for the same seed: splitmix64.

#include "sim.h"

uint64_t sim_random(struct sim_rng *r) // splitmix64
{
    uint64_t z = (r->s += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

unsigned sim_below(struct sim_rng *r, unsigned n)
{
    return (unsigned)(sim_random(r) % n);
}

bool sim_chance(struct sim_rng *r, unsigned percent)
{
    return sim_below(r, 100) < percent;
}
