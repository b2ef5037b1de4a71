import { servicePlan, type ServedView, type ServicePlan, type ViewPlan } from '@millrace/feature-engine';

/** Feast's server serves a value of any age. A ttl says nothing about what is stored, so the same state answers. */
export function ageless(plan: ServicePlan): ServicePlan {
  const stored = new Map(plan.views.map((view) => [view, { ...view, ttlMs: 0 }]));
  const ofInput = (view: ViewPlan): ViewPlan => stored.get(view) ?? view;
  const views = new Map<ServedView, ServedView>(stored);
  for (const view of plan.onDemand)
    views.set(view, { ...view, inputs: view.inputs.map((input) => ({ ...input, view: ofInput(input.view) })) });
  const features = plan.features.map((feature) => ({ ...feature, view: views.get(feature.view) as ServedView }));
  return servicePlan(features, plan.request);
}
