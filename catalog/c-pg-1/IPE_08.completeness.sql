-- From the vouchers as NAV issued them, and the store credit on the items of the order system.
SELECT
    COUNT_BIG(*) AS row_count,
    CAST(SUM(v.[Face_Value]) AS decimal(38, 20)) AS sum_issued_amount_lcy,
    CAST(SUM(ISNULL(o.used_lcy, 0)) AS decimal(38, 20)) AS sum_used_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[StoreCreditVoucher] AS v
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = v.[ID_Company]
LEFT JOIN (
    SELECT i.[company], i.[store_credit_code], SUM(i.[store_credit_amount]) AS used_lcy
    FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
    WHERE i.[created_at] < @cutoff
        AND i.[store_credit_code] IS NOT NULL
    GROUP BY i.[company], i.[store_credit_code]
) AS o
    ON o.[company] = v.[ID_Company] AND o.[store_credit_code] = v.[Voucher_Code]
WHERE v.[Issue_Date] < @cutoff
    AND (v.[Deactivation_Date] IS NULL OR v.[Deactivation_Date] >= @cutoff)
    AND v.[Business_Use] IN (@business_uses)
    AND co.[In Consolidation] = 1
