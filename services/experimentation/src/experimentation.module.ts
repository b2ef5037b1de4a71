import { Module } from '@nestjs/common';

/** The service's composition root. */
@Module({})
export class ExperimentationModule {}
