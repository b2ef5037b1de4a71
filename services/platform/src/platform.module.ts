import { ExperimentationModule } from '@millrace/experimentation';
import { FeaturesModule } from '@millrace/features';
import { InferenceModule } from '@millrace/inference';
import { RegistryModule } from '@millrace/registry';
import { TrackingModule } from '@millrace/tracking';
import { Module } from '@nestjs/common';
import { AnalystsPort } from './analysts-port.js';
import { LandingController } from './landing.controller.js';

/** The five services in one process, on one log, one set of stores and one port. */
@Module({
  imports: [TrackingModule, RegistryModule, FeaturesModule, InferenceModule, ExperimentationModule],
  controllers: [LandingController],
  providers: [AnalystsPort],
  exports: [AnalystsPort],
})
export class PlatformModule {}
