export { POLICY } from './autoscaling/policy.js';
