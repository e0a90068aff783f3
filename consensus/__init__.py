"""The federation's chain: who belongs, who may sign, and (later) what the queens decide. Pure: values in, values out."""
