import { routeDoc } from '@millrace/service';

export const doc = routeDoc('registry');
