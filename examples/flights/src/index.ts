export { Flights, type Flight } from './flights.js';
