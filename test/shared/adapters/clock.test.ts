import { describe, expect, test } from 'vitest';
import { createWallClock } from '#shared/adapters/clock.ts';

describe('the wall clock', () => {
  test('goes on at its pace when the machine’s is set back', () => {
    const machine = createMachine();
    const { now } = createWallClock(machine);
    expect(now()).toBe(hour);
    machine.set(-hour);
    machine.pass(1_500);
    expect(now()).toBe(hour + 1_500);
    machine.pass(1_000);
    expect(now()).toBe(hour + 2_500);
  });

  test('is the machine’s again once that has caught up', () => {
    const machine = createMachine();
    const { now } = createWallClock(machine);
    machine.set(-hour);
    machine.pass(1_000);
    expect(now()).toBe(hour + 1_000);
    machine.set(hour + 200);
    machine.pass(1_000);
    expect(now()).toBe(hour + 2_200);
  });

  test('goes forward with the machine’s, also while the steady clock stands still', () => {
    const machine = createMachine();
    const { now } = createWallClock(machine);
    machine.set(2 * hour);
    expect(now()).toBe(3 * hour);
  });

  test('gives whole milliseconds and is never ahead of a machine’s that is not set', () => {
    const machine = createMachine();
    const { now } = createWallClock(machine);
    for (let count = 0; count < 1_000; count += 1) {
      machine.pass(0.37);
      expect(now()).toBe(machine.wall());
    }
  });
});

const hour = 3_600_000;

/** Its wall clock shows whole milliseconds, its steady one begins anywhere. */
function createMachine() {
  let wallMs = hour + 0.9;
  let steadyMs = 17.3;
  return {
    wall: () => Math.floor(wallMs),
    steady: () => steadyMs,
    set: (byMs: number) => {
      wallMs += byMs;
    },
    pass: (ms: number) => {
      wallMs += ms;
      steadyMs += ms;
    },
  };
}
