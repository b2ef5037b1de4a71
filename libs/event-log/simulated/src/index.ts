export { BAD_DAY, NO_FAULTS, type Faults } from './faults.js';
export { Random } from './random.js';
export { SimulatedBroker, type SimulatedBrokerOptions } from './simulated-broker.js';
export { SimulatedEventLog } from './simulated-event-log.js';
export { VirtualTime } from './virtual-time.js';
export { type Mutation } from './races/race-process.js';
export { runRace, type RaceReport } from './races/run-race.js';
