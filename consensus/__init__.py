"""The federation's chain: who belongs, who may sign, what was decided. Pure: values in, values out."""
