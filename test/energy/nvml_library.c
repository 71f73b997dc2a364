// Copyright 2026 eipl_trt_ros contributors
// SPDX-License-Identifier: Apache-2.0
//
// A library with the functions of NVML that the power source calls, for machines without a GPU. It
// serves what the file named by NVML_SERVED holds: one line with the power in mW, the energy
// counter in mJ, the temperature, and the error that each of them gives instead where that is not
// 0 (as in nvml.h), then the error of connecting, then the instant power in mW and its error.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, UNKNOWN = 999 };
enum { UNSIGNED_INTEGER = 1, POWER_INSTANT = 186 };

struct served {
    unsigned power;
    unsigned long long energy;
    unsigned temperature;
    int power_error, energy_error, temperature_error, connect_error;
    unsigned instant;
    int instant_error;
};

struct field_value { // nvmlFieldValue_t of nvml.h
    unsigned field, scope;
    long long timestamp, latency;
    int type, error;
    union {
        double real;
        unsigned integer;
        unsigned long long large;
    } value;
};

static struct served read_served(void) {
    struct served s = {0, 0, 0, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 0, UNKNOWN};
    const char *path = getenv("NVML_SERVED");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) {
        if (fscanf(file, "%u %llu %u %d %d %d %d %u %d", &s.power, &s.energy, &s.temperature,
                   &s.power_error, &s.energy_error, &s.temperature_error, &s.connect_error,
                   &s.instant, &s.instant_error) != 9)
            s.connect_error = UNKNOWN;
        fclose(file);
    }
    return s;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; return read_served().connect_error; }

int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int error) {
    return error == 15 ? "GPU is lost" : error == 9 ? "Driver Not Loaded" : "Unknown Error";
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    *device = "GPU 0";
    return index == 0 ? SUCCESS : INVALID_ARGUMENT;
}

int nvmlDeviceGetName(void *device, char *name, unsigned size) {
    (void)device;
    snprintf(name, size, "Test GPU");
    return SUCCESS;
}

int nvmlSystemGetDriverVersion(char *version, unsigned size) {
    snprintf(version, size, "580.1");
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
    (void)device;
    struct served s = read_served();
    *milliwatts = s.power;
    return s.power_error;
}

int nvmlDeviceGetFieldValues(void *device, int count, struct field_value *values) {
    (void)device;
    struct served s = read_served();
    for (int i = 0; i < count; i++) {
        values[i].type = UNSIGNED_INTEGER;
        values[i].value.integer = s.instant;
        values[i].error = values[i].field == POWER_INSTANT ? s.instant_error : INVALID_ARGUMENT;
    }
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules) {
    (void)device;
    struct served s = read_served();
    *millijoules = s.energy;
    return s.energy_error;
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *degrees) {
    (void)device;
    (void)sensor;
    struct served s = read_served();
    *degrees = s.temperature;
    return s.temperature_error;
}
