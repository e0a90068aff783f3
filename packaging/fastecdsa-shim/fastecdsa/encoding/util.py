from fastecdsa._absent import absent

int_bytelen = absent
